/** Answers `call s3_connector.preview(name)`: the columns of the first file, and where an import would put them. */
import type pg from 'pg';
import { checkComputed } from '../copy/check_computed.ts';
import type { ColumnMapping } from '../db/schema.ts';
import { ConnectorError, describeError } from '../errors.ts';
import type { FileColumn } from '../formats/format.ts';
import type { Listing } from '../list.ts';
import { describePart, type InferredTable, noticeOfSample } from '../sample/infer_table.ts';
import type { SourceObject } from '../sources/source.ts';
import { withExpression } from '../table/computed.ts';
import { keyColumns } from '../table/key_columns.ts';
import { matchColumns } from '../table/match.ts';
import { mergeColumns } from '../table/merge_columns.ts';
import { findNamed } from '../table/names.ts';
import { refuseTarget } from '../table/refusal.ts';
import type { TableColumn, TargetTable } from '../table/table.ts';
import { suggestTimeColumn } from '../table/time_column.ts';
import type { WorkerContext } from '../task.ts';
import type { Request } from './request.ts';
import { type FirstPart, rolledBack, withFirstPart } from './sample.ts';
import { findTarget, planTarget } from './target.ts';

/** How a notice begins if an import would fail. */
export const WOULD_FAIL = 'an import would fail: ';

/** A row of `preview_columns`. */
export interface PreviewColumn {
  position: number;
  /** Null: the target is computed from the whole row. */
  source_column: string | null;
  inferred_type: string;
  nullable: boolean;
  target_column: string | null;
  target_type: string | null;
  suggested_time_column: boolean;
  decided_by: string | null;
  sampled_files: number;
  expression: string | null;
}

export interface Notice {
  message: string;
  hint?: string | undefined;
}

export interface ColumnPreview {
  columns: PreviewColumn[];
  notices: Notice[];
}

/** Returns the columns of an object's first part, then those of its key. */
export async function previewColumns(
  worker: WorkerContext,
  request: Request,
  object: SourceObject,
): Promise<ColumnPreview> {
  return await withFirstPart(worker, request, object, async (first) => {
    if (first === null) return { columns: [], notices: [{ message: `${object.key} has no rows` }] };
    const columns = await columnsOf(worker, request, first, object.key);
    const { targets, notices } = await findTargets(worker, request, first, columns, object.key);
    const rows = (await first.part.lookForNotice?.()) ?? null;
    return {
      columns: describeColumns(request, columns, targets),
      notices: [...columns.notices, ...notices, ...(rows === null ? [] : [{ message: rows }])],
    };
  });
}

/** The columns of the file, or of the table that would be made. */
interface Columns {
  all: (FileColumn & { decidedBy: string | null })[];
  sampled: number;
  notices: Notice[];
}

/** Only a new table takes its types from a sample of files. */
async function columnsOf(
  worker: WorkerContext,
  request: Request,
  { part, infer }: FirstPart,
  key: string,
): Promise<Columns> {
  const { kind } = await rolledBack(worker.copyPool, (client) => findTarget(client, request));
  const inferred = kind === null && request.connector.create_table ? await infer() : null;
  if (inferred) {
    const notice = noticeOfSample(inferred);
    return {
      all: inferred.columns,
      sampled: inferred.sampled,
      notices: [noticeOfTypes(inferred), notice].flatMap((message) =>
        message === null ? [] : [{ message }],
      ),
    };
  }
  return {
    all: mergeColumns([await describePart(key, part)], { byName: false, mapped: new Map(), others: [] }),
    sampled: 1,
    notices: [],
  };
}

/** Returns a notice about the listing. */
export function noticeOfFiles(listing: Listing): Notice {
  const seen = `${listing.keysListed} keys listed`;
  switch (listing.stoppedBy) {
    case 'full':
      return { message: `the first ${listing.objects.length} matching keys, of more` };
    case 'budget':
      return {
        message: `${listing.objects.length} matching keys; ${seen}, and there are more`,
        hint: 'A pattern with a longer literal start is listed faster.',
      };
    default:
      return { message: `${listing.objects.length} matching keys, which are all; ${seen}` };
  }
}

function noticeOfTypes({ sampled, listed }: InferredTable): string | null {
  if (sampled === 1) return null;
  return `the columns of the new table are from the types of ${sampled}${listed === null ? '' : ` of the ${listed}`} files`;
}

type Targets = Map<number, TableColumn>;

/** Returns where each column would go, and a notice if an import would fail. */
async function findTargets(
  worker: WorkerContext,
  request: Request,
  first: FirstPart,
  columns: Columns,
  key: string,
): Promise<{ targets: Targets; notices: Notice[] }> {
  const targets: Targets = new Map();
  try {
    await rolledBack(worker.copyPool, (client) =>
      fillTargets(client, request, first, { columns, key, targets }),
    );
    return { targets, notices: [] };
  } catch (error) {
    const hint = error instanceof ConnectorError ? error.hint : undefined;
    const message = error instanceof ConnectorError ? error.message : describeError(error);
    return { targets, notices: [{ message: `${WOULD_FAIL}${message}`, hint }] };
  }
}

async function fillTargets(
  client: pg.ClientBase,
  request: Request,
  first: FirstPart,
  { columns: { all }, key, targets }: { columns: Columns; key: string; targets: Targets },
): Promise<void> {
  const { connector, mappings } = request;
  const { table, refusal } = await planTarget(client, request, await findTarget(client, request), first);
  if (!table) return;
  const { columnNames, cutsLongRows = false } = first.part;
  const names = columnNames && all.map(({ name }) => name);
  // A part that has the columns of all files.
  const whole = { columnNames: names, columnCount: all.length, cutsLongRows };
  const match = (onUnknown: 'fail' | 'ignore') =>
    matchColumns(whole, table, {
      connector: { ...connector, on_unknown_column: onUnknown },
      mappings,
      file: { id: 0, key },
    });
  // First without failing, to show the columns that match; then by the connector's setting, which may fail.
  const { columns, constants, computed } = match('ignore');
  for (const { position, target } of columns) targets.set(position, target);
  for (const { value, target } of computed) if (typeof value === 'number') targets.set(value, target);
  const ofKey = keyColumns(connector);
  for (const [i, { name }] of ofKey.entries()) {
    const target =
      constants.find(({ source }) => source === name)?.target ?? findTargetOf(name, mappings, table);
    if (target) targets.set(all.length + i, target);
  }
  for (const [i, { target }] of computed.filter(({ value }) => value === null).entries())
    targets.set(all.length + ofKey.length + i, target);
  match(connector.on_unknown_column);
  const { part } = first;
  const plan = matchColumns(part, table, { connector, mappings, file: { id: 0, key } });
  await checkComputed({ client, connector, table, part, plan, file: { key } });
  refuseTarget(refusal);
}

/** Returns the column that a mapping names for a part of the key. */
function findTargetOf(
  source: string,
  mappings: ColumnMapping[],
  { columns }: TargetTable,
): TableColumn | undefined {
  const target = mappings.find(({ source_column }) => source_column === source)?.target_column ?? null;
  return target === null ? undefined : findNamed(columns, target);
}

function describeColumns(
  { connector, mappings }: Request,
  { all, sampled }: Columns,
  targets: Targets,
): PreviewColumn[] {
  const own = withExpression(mappings);
  const ofFile = [...all, ...keyColumns(connector).map((column) => ({ ...column, decidedBy: null }))];
  const inferred = [
    ...ofFile.map((column) => ({
      ...column,
      expression: own.find(({ source_column }) => source_column === column.name)?.expression ?? null,
    })),
    ...own
      .filter(({ source_column }) => source_column === null)
      .map(({ data_type, expression }) => {
        return { name: null, type: data_type, nullable: true, decidedBy: null, expression };
      }),
  ];
  const columns = inferred.map((column, position): PreviewColumn => {
    const target = targets.get(position);
    return {
      position: position + 1,
      source_column: column.name,
      // An expression over the whole row has no type of its own in the file.
      inferred_type: column.type ?? target?.type ?? 'text',
      nullable: column.nullable,
      target_column: target?.name ?? null,
      target_type: target?.type ?? null,
      suggested_time_column: false,
      decided_by: column.decidedBy,
      sampled_files: sampled,
      expression: column.expression,
    };
  });
  const time = timeColumn(columns, connector.time_column);
  if (time) time.suggested_time_column = true;
  return columns;
}

function timeColumn(columns: PreviewColumn[], named: string | null): PreviewColumn | undefined {
  const candidates = columns.map((column) => ({
    column,
    name: column.target_column ?? column.source_column ?? '',
    type: column.target_type ?? column.inferred_type,
    nullable: column.nullable,
  }));
  if (named !== null) return candidates.find(({ name }) => name === named)?.column;
  const suggested = suggestTimeColumn(candidates);
  return candidates.find((candidate) => candidate === suggested)?.column;
}
