/** Answers `call s3_connector.preview(name)`: the columns of the first file, and where an import would put them. */
import type pg from 'pg';
import type { ChangePlan } from '../copy/change_statements.ts';
import { planChanges } from '../copy/changes.ts';
import { checkComputed } from '../copy/check_computed.ts';
import type { ColumnMapping } from '../db/schema.ts';
import { ConnectorError, describeError } from '../errors.ts';
import type { CopyPlan, FileColumn } from '../formats/format.ts';
import type { Listing } from '../list.ts';
import { describePart, type InferredTable, noticeOfSample } from '../sample/infer_table.ts';
import type { SourceObject } from '../sources/source.ts';
import { planColumns } from '../table/change_columns.ts';
import { withExpression } from '../table/computed.ts';
import { keyColumns } from '../table/key_columns.ts';
import type { MatchSettings } from '../table/match.ts';
import { mergeColumns } from '../table/merge_columns.ts';
import { findNamed } from '../table/names.ts';
import { refuseTarget } from '../table/refusal.ts';
import type { TableColumn, TargetTable } from '../table/table.ts';
import { suggestTimeColumn } from '../table/time_column.ts';
import type { WorkerContext } from '../task.ts';
import { landRows, type PreviewRow } from './landing.ts';
import type { Request } from './request.ts';
import { type FirstPart, rolledBack, withFirstPart } from './sample.ts';
import { findTarget, foreseeGrowth, planTarget } from './target.ts';

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
  rows: PreviewRow[];
  notices: Notice[];
}

/** Returns the columns of an object's first part, then those of its key, and its first rows. */
export async function previewColumns(
  worker: WorkerContext,
  request: Request,
  object: SourceObject,
): Promise<ColumnPreview> {
  return await withFirstPart(worker, request, object, async (first) => {
    if (first === null) return { columns: [], rows: [], notices: [{ message: `${object.key} has no rows` }] };
    const columns = await columnsOf(worker, request, first, object.key);
    const { targets, rows, notices } = await findTargets(worker, request, first, columns, object);
    const suspicion = (await first.part.lookForNotice?.()) ?? null;
    return {
      columns: describeColumns(request, columns, targets),
      rows,
      notices: [...columns.notices, ...notices, ...(suspicion === null ? [] : [{ message: suspicion }])],
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

/** Where columns and rows would go, as far as it is known. */
interface Found {
  targets: Targets;
  rows: PreviewRow[];
  notices: Notice[];
}

/** Returns the notice that an import changes the table by a statement. */
export function noticeOfChange(statement: string): Notice {
  return { message: `an import would first run: ${statement};` };
}

/** Returns where each column would go and how the first rows would land, and a notice if an import would fail, or change the table. */
async function findTargets(
  worker: WorkerContext,
  request: Request,
  first: FirstPart,
  columns: Columns,
  object: SourceObject,
): Promise<Found> {
  const found: Found = { targets: new Map(), rows: [], notices: [] };
  try {
    await rolledBack(worker.copyPool, (client) =>
      fillTargets(client, request, first, { columns, object, found }),
    );
  } catch (error) {
    found.notices.push(toNotice(WOULD_FAIL, error));
  }
  return found;
}

function toNotice(beginning: string, error: unknown): Notice {
  const hint = error instanceof ConnectorError ? error.hint : undefined;
  const message = error instanceof ConnectorError ? error.message : describeError(error);
  return { message: `${beginning}${message}`, hint };
}

/** Fills in where each column would go, the first rows, and notices: by which statement an import would change the table, and what changes rows. */
async function fillTargets(
  client: pg.ClientBase,
  request: Request,
  first: FirstPart,
  { columns: { all }, object, found }: { columns: Columns; object: SourceObject; found: Found },
): Promise<void> {
  const { connector, mappings } = request;
  const { targets, notices } = found;
  const { table, refusal } = await planTarget(client, request, await findTarget(client, request), first);
  if (!table) return;
  const { columnNames, cutsLongRows = false, namesKeys = false } = first.part;
  const names = columnNames && all.map(({ name }) => name);
  // A part that has the columns of all files.
  const whole = {
    columnNames: names,
    columnCount: all.length,
    cutsLongRows,
    namesKeys,
    inferColumns: () => first.part.inferColumns(),
  };
  const file = { id: 0, key: object.key };
  const leniently: Partial<MatchSettings> = { on_unknown_column: 'ignore', on_missing_column: 'default' };
  const match = (of: TargetTable, settings: Partial<MatchSettings> = {}) =>
    planColumns(whole, of, { connector: { ...connector, ...settings }, mappings, file, onlyNames: true });
  // First without failing, to show the columns that match; then by the connector's setting, which may fail.
  const lenient = await match(table, leniently);
  const { constants, computed } = lenient;
  setTargets(targets, table, all, lenient);
  const ofKey = keyColumns(connector);
  for (const [i, { name }] of ofKey.entries()) {
    const target =
      constants.find(({ source }) => source === name)?.target ?? findTargetOf(name, mappings, table);
    if (target) targets.set(all.length + i, target);
  }
  for (const [i, { target }] of computed.filter(({ value }) => value === null).entries())
    targets.set(all.length + ofKey.length + i, target);
  const { part } = first;
  const land = async (plan: CopyPlan) => {
    try {
      found.rows = await landRows(client, request, object, { part, plan });
    } catch (error) {
      notices.push(toNotice('the first rows cannot be shown: ', error));
    }
  };
  const landLeniently = async () => {
    await land(await planColumns(part, table, { connector: { ...connector, ...leniently }, mappings, file }));
  };
  const growth = await foreseeGrowth(client, request, object.key, table, part);
  const plan = await orElse(landLeniently, async () => {
    setTargets(targets, growth.table, all, await match(growth.table));
    return planColumns(part, growth.table, { connector, mappings, file });
  });
  await checkComputed({ client, connector, table, part, plan, file });
  await land(plan);
  refuseTarget(refusal);
  if (growth.statement !== null) notices.push(noticeOfChange(growth.statement));
  if (connector.change_column === null) return;
  const changes = await planChanges({ client, table: growth.table, plan, connector });
  notices.push(describeChanges(connector, changes));
}

/** Runs a function. If it fails, runs another one before the error is thrown. */
async function orElse<T>(onError: () => Promise<void>, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    await onError();
    throw error;
  }
}

/** Returns a notice that says which rows the changes are about, and how. */
function describeChanges(connector: Request['connector'], { key, change, sequence }: ChangePlan): Notice {
  const meanings = Object.entries(connector.change_map ?? {}).map(
    ([value, meaning]) => `${value} = ${meaning}`,
  );
  const by = sequence === null ? 'in the order of the file' : `by ${connector.sequence_column}`;
  return {
    message:
      change === null
        ? `the file has no column ${connector.change_column}: all its rows are inserts, or updates of keys that are there`
        : `column ${connector.change_column} says what becomes of a row: ${meanings.join(', ')}; the last change of a key, ${by}, is applied`,
    hint: `The key is (${key.map(({ name }) => name).join(', ')}). How many rows a file would insert, update and delete: call s3_connector.dry_run_file(name, key).`,
  };
}

/** Fills in where each column of the file would go. */
function setTargets(
  targets: Targets,
  table: TargetTable,
  all: { name: string }[],
  { columns, computed, rescue, keys }: CopyPlan,
): void {
  const placeOf = (key: string) => all.findIndex(({ name }) => name === key);
  const set = (position: number, target: TableColumn) =>
    targets.set(keys ? placeOf(keys.names[position]!) : position, target);
  // A column that only says what becomes of its row goes nowhere.
  for (const { position, target } of columns) if (table.columns.includes(target)) set(position, target);
  for (const { value, target } of computed) if (typeof value === 'number') set(value, target);
  for (const { position } of rescue?.unknown ?? []) set(position, rescue!.target);
  for (const key of rescue?.record?.unknown ?? []) targets.set(placeOf(key), rescue!.target);
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
