/** Answers `call s3_connector.preview(name)`: the columns of the first file, and where an import would put them. */
import type pg from 'pg';
import { ConnectorError, describeError } from '../errors.ts';
import type { FileColumn, FilePart } from '../formats/format.ts';
import type { Listing } from '../list.ts';
import type { SourceObject } from '../sources/source.ts';
import { keyColumns } from '../table/key_columns.ts';
import { matchColumns } from '../table/match.ts';
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
    // First of all: only then are all names of a part known whose rows each name their own columns.
    const inferred = (await part.inferColumns()) ?? namesOnly(part);
    const { targets, notices } = await findTargets(worker, request, part, object.key);
    return { columns: describeColumns(request, inferred, targets), notices };
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
    await rolledBack(worker.copyPool, (client) => fillTargets(client, request, part, key, targets));
    return { targets, notices: [] };
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
): Promise<void> {
  const { connector, mappings } = request;
  const { table, refusal } = await planTarget(client, request, await findTarget(client, request), part);
  if (!table) return;
  const match = (onUnknown: 'fail' | 'ignore') =>
    matchColumns(part, table, {
      connector: { ...connector, on_unknown_column: onUnknown },
      mappings,
      file: { id: 0, key },
      onlyNames: true,
    });
  // First without failing, to show the columns that match; then by the connector's setting, which may fail.
  const { columns, constants, keys } = match('ignore');
  for (const { position, target } of columns)
    targets.set(keys ? part.columnNames!.indexOf(keys.names[position]!) : position, target);
  for (const [i, { name }] of keyColumns(connector).entries()) {
    const constant = constants.find(({ source }) => source === name);
    if (constant) targets.set(part.columnCount + i, constant.target);
  }
  match(connector.on_unknown_column);
  refuseTarget(refusal);
}

function describeColumns({ connector }: Request, inferred: FileColumn[], targets: Targets): PreviewColumn[] {
  const columns = [...inferred, ...keyColumns(connector)].map((column, position): PreviewColumn => {
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
function namesOnly(part: FilePart): FileColumn[] {
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
