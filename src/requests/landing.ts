/**
 * The "landing" of a preview: the first rows of a part, as they would be in the table. They go into a temporary table that has only
 * the columns that the file fills, so that no trigger, default or sequence of the target runs.
 */
import pg from 'pg';
import { filledColumns } from '../copy/destination.ts';
import type { PartCopy } from '../copy/part_copy.ts';
import { copyFirstRows } from '../copy.ts';
import { inSavepoint } from '../db/savepoint.ts';
import { FIXED_PATH } from '../db/session_settings.ts';
import { storable } from '../db/storable.ts';
import type { CopyPlan, FilePart, RaggedRows, Refusal, RowBatch, RowSet } from '../formats/format.ts';
import type { SourceObject } from '../sources/source.ts';
import { asRole } from '../table/role.ts';
import { plainColumn, type TargetTable } from '../table/table.ts';
import { toFile } from './dry_run.ts';
import type { Request } from './request.ts';

/** A row of `preview_rows`. */
export interface PreviewRow {
  position: number;
  line: number | null;
  /** By the name of the column. Null: the row was refused. */
  values: Record<string, string | null> | null;
  error: string | null;
  raw: string | null;
}

const ROWS = 10;
const MAX_VALUE = 200;
const MAX_RAW = 1000;
const LANDING = { schema: 'pg_temp', table: 's3_connector_landing' };
/** No table has a column of these names by chance. */
const LINE = 's3_connector line';
const ROW = '"s3_connector landed"';

/**
 * Returns the first rows of a part. The caller rolls the transaction back.
 * @throws ConnectorError the errors of a COPY that no row caused; `permission_denied` without a right to temporary tables
 */
export async function landRows(
  client: pg.ClientBase,
  request: Request,
  object: SourceObject,
  { part, plan }: { part: FilePart; plan: CopyPlan },
): Promise<PreviewRow[]> {
  const { connector } = request;
  const refused: Refusal[] = [];
  // A transform's rows have no lines.
  const line = plan.line ?? (connector.transform === null ? plainColumn(LINE, 'bigint', 'bigint') : null);
  const landing: CopyPlan = { ...plan, line };
  const columns = filledColumns(landing);
  const table: TargetTable = {
    ...LANDING,
    columns,
    splittable: true,
    mayLeaveOut: false,
    mayLeaveUpdates: false,
    byInsert: false,
    hasColumnstore: false,
  };
  const copy: PartCopy = {
    client,
    table,
    part: firstRows(part),
    plan: landing,
    rejectedBefore: 0,
    file: toFile(request, object),
    connector: {
      ...connector,
      on_bad_row: 'skip',
      max_bad_rows: null,
      on_conflict: 'fail',
      change_column: null,
      columnstore: false,
    },
    mappings: request.mappings,
    timeoutMs: request.timeoutMs,
    token: null,
    signal: request.signal,
    dryRun: { requestId: request.id, refusals: [], refused, statements: new Set() },
  };
  return await inSavepoint(client, async () => {
    await enter(client, copy);
    await createLanding(copy);
    await copyFirstRows(copy);
    const landed = await readLanding(copy, line?.name ?? null);
    return inOrder([...landed, ...refused.slice(0, ROWS).map(ofRefusal)]);
  });
}

/** Values are read as an import reads them, and the owner's expressions may take no longer. */
async function enter(client: pg.ClientBase, { connector, timeoutMs }: PartCopy): Promise<void> {
  await client.query(
    `select set_config('timezone', $1, true),
      set_config('datestyle', 'ISO, ' || s3_connector_import.usual_date_order($2), true),
      s3_connector_import.set_limits($3)`,
    [connector.time_zone, connector.owner, timeoutMs],
  );
}

async function createLanding({ client, connector, table }: PartCopy): Promise<void> {
  const definitions = table.columns.map(({ name, type }) => `${pg.escapeIdentifier(name)} ${type}`);
  const all = [...definitions, `${ROW} bigint generated always as identity`].join(', ');
  const create = `create temp table ${LANDING.table} (${all}) on commit drop`;
  await asRole(client, connector.owner, () => client.query(create), FIXED_PATH);
}

/** Reads with the owner's rights: types of its own may run its code to become text. */
async function readLanding(
  { client, connector, table }: PartCopy,
  line: string | null,
): Promise<Omit<PreviewRow, 'position'>[]> {
  // Nothing has an id yet.
  const shown = table.columns.filter(({ name }) => name !== LINE && name !== connector.file_id_column);
  const values = shown.map(({ name }) => `pg_catalog.left(${pg.escapeIdentifier(name)}::text, ${MAX_VALUE})`);
  const list = values.length === 0 ? "'{}'::text[]" : `array[${values.join(', ')}]`;
  const select = `select ${line === null ? 'null' : pg.escapeIdentifier(line)}::bigint as line, ${list} as texts
    from ${LANDING.schema}.${LANDING.table} order by ${ROW} limit ${ROWS}`;
  const { rows } = await asRole(
    client,
    connector.owner,
    async () => {
      await client.query("set local timezone to 'UTC'");
      return client.query<{ line: number | null; texts: (string | null)[] }>(select);
    },
    FIXED_PATH,
  );
  return rows.map(({ line: at, texts }) => ({
    line: at,
    values: Object.fromEntries(shown.map(({ name }, i) => [name, texts[i] ?? null])),
    error: null,
    raw: null,
  }));
}

function ofRefusal({ line, column, reason, raw }: Refusal): Omit<PreviewRow, 'position'> {
  return {
    line,
    values: null,
    error: storable(column === null ? reason : `column ${column}: ${reason}`),
    raw: storable(raw.slice(0, MAX_RAW)),
  };
}

function inOrder(rows: Omit<PreviewRow, 'position'>[]): PreviewRow[] {
  return rows
    .toSorted((a, b) => (a.line ?? 0) - (b.line ?? 0))
    .slice(0, ROWS)
    .map((row, i) => ({ position: i + 1, ...row }));
}

/** Returns the part with no more than its first rows. Of its batches, only the first is read. */
function firstRows(part: FilePart): FilePart {
  return {
    name: part.name,
    columnNames: part.columnNames,
    columnCount: part.columnCount,
    columnTypes: part.columnTypes,
    cutsLongRows: part.cutsLongRows ?? false,
    namesKeys: part.namesKeys ?? false,
    unit: part.unit,
    inferColumns: (maxBytes) => part.inferColumns(maxBytes),
    async *copyInputs(plan) {
      for await (const batch of this.batches(plan)) yield batch.copyInput(0, batch.count);
    },
    async *batches(plan) {
      for await (const batch of part.batches(plan)) {
        yield firstOfBatch(batch);
        return;
      }
    },
  };
}

function firstOfBatch(batch: RowBatch): RowBatch {
  const refusals: Refusal[] = [];
  for (const refusal of batch.refusals) {
    refusals.push(refusal);
    if (refusals.length === ROWS) break;
  }
  return { ...firstOf(batch), rowsRead: batch.rowsRead, refusals, ragged: batch.ragged.map(firstOfRagged) };
}

function firstOfRagged(rows: RaggedRows): RaggedRows {
  return {
    ...firstOf(rows),
    fields: rows.fields,
    probe: (start, end, without) => rows.probe(start, end, without),
  };
}

function firstOf(rows: RowSet): RowSet {
  return {
    count: Math.min(rows.count, ROWS),
    copyInput: (start, end, without) => rows.copyInput(start, end, without),
    rowAt: (line) => rows.rowAt(line),
    line: (row) => rows.line(row),
    raw: (row) => rows.raw(row),
  };
}
