/** Answers `call s3_connector.preview(name)`: the columns of the first file, and where an import would put them. */
import type pg from 'pg';
import type { ChangePlan } from '../copy/change_statements.ts';
import { planChanges } from '../copy/changes.ts';
import { ConnectorError, describeError } from '../errors.ts';
import type { FilePart } from '../formats/format.ts';
import type { Listing } from '../list.ts';
import type { SourceObject } from '../sources/source.ts';
import { planColumns } from '../table/change_columns.ts';
import { keyColumns } from '../table/key_columns.ts';
import { refuseTarget } from '../table/refusal.ts';
import type { TableColumn } from '../table/table.ts';
import { suggestTimeColumn } from '../table/time_column.ts';
import type { WorkerContext } from '../task.ts';
import type { Request } from './request.ts';
import { rolledBack, withFirstPart } from './sample.ts';
import { findTarget, planTarget } from './target.ts';

/** A row of `preview_columns`. */
export interface PreviewColumn {
  position: number;
  source_column: string;
  inferred_type: string;
  nullable: boolean;
  target_column: string | null;
  target_type: string | null;
  suggested_time_column: boolean;
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
  return await withFirstPart(worker, request, object, async (part) => {
    if (part === null) return { columns: [], notices: [{ message: `${object.key} has no rows` }] };
    const { targets, notices } = await findTargets(worker, request, part, object.key);
    return { columns: await describeColumns(request, part, targets), notices };
  });
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

type Targets = Map<number, TableColumn>;

/** Returns where each column would go, and a notice if an import would fail. */
async function findTargets(
  worker: WorkerContext,
  request: Request,
  part: FilePart,
  key: string,
): Promise<{ targets: Targets; notices: Notice[] }> {
  const targets: Targets = new Map();
  try {
    const notices = await rolledBack(worker.copyPool, (client) =>
      fillTargets(client, request, part, key, targets),
    );
    return { targets, notices };
  } catch (error) {
    const hint = error instanceof ConnectorError ? error.hint : undefined;
    const message = error instanceof ConnectorError ? error.message : describeError(error);
    return { targets, notices: [{ message: `an import would fail: ${message}`, hint }] };
  }
}

async function fillTargets(
  client: pg.ClientBase,
  request: Request,
  part: FilePart,
  key: string,
  targets: Targets,
): Promise<Notice[]> {
  const { connector, mappings } = request;
  const { table, refusal } = await planTarget(client, request, await findTarget(client, request), part);
  if (!table) return [];
  const match = (onUnknown: 'fail' | 'ignore') =>
    planColumns(part, table, {
      connector: { ...connector, on_unknown_column: onUnknown },
      mappings,
      file: { id: 0, key },
    });
  // First without failing, to show the columns that match; then by the connector's setting, which may fail.
  const plan = await match('ignore');
  const { columns, constants } = plan;
  for (const { position, target } of columns)
    if (table.columns.includes(target)) targets.set(position, target);
  for (const [i, { name }] of keyColumns(connector).entries()) {
    const constant = constants.find(({ source }) => source === name);
    if (constant) targets.set(part.columnCount + i, constant.target);
  }
  await match(connector.on_unknown_column);
  refuseTarget(refusal);
  if (connector.change_column === null) return [];
  return [describeChanges(connector, await planChanges({ client, table, plan, connector }))];
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

async function describeColumns(
  { connector }: Request,
  part: FilePart,
  targets: Targets,
): Promise<PreviewColumn[]> {
  const inferred = [...((await part.inferColumns()) ?? namesOnly(part)), ...keyColumns(connector)];
  const columns = inferred.map((column, position): PreviewColumn => {
    const target = targets.get(position);
    return {
      position: position + 1,
      source_column: column.name,
      inferred_type: column.type,
      nullable: column.nullable,
      target_column: target?.name ?? null,
      target_type: target?.type ?? null,
      suggested_time_column: false,
    };
  });
  const time = timeColumn(columns, connector.time_column);
  if (time) time.suggested_time_column = true;
  return columns;
}

/** Returns the columns of a header without rows, which has no types. */
function namesOnly(part: FilePart) {
  return (part.columnNames ?? []).map((name) => ({ name, type: 'text', nullable: true }));
}

function timeColumn(columns: PreviewColumn[], named: string | null): PreviewColumn | undefined {
  const candidates = columns.map((column) => ({
    column,
    name: column.target_column ?? column.source_column,
    type: column.target_type ?? column.inferred_type,
    nullable: column.nullable,
  }));
  if (named !== null) return candidates.find(({ name }) => name === named)?.column;
  const suggested = suggestTimeColumn(candidates);
  return candidates.find((candidate) => candidate === suggested)?.column;
}
