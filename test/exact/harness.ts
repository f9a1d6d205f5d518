import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import type pg from 'pg';
import type { CsvDialect } from '../../src/formats/csv/dialect.ts';
import { type Model, modelCopy, modelLines } from '../csv/model.ts';
import { dialectOf } from '../csv/random_csv.ts';
import { waitUntilSettled } from '../support/settled.ts';
import type { WorkerProcess } from '../support/worker.ts';
import type { World } from '../support/world.ts';
import { copyByHand, type Options, type Outcome, TEXT_LAYOUT } from './oracle.ts';
import { STRICTER, withoutByteOrderMark } from './stricter.ts';

/** A way of a CSV into PostgreSQL, with what sends all files that way. */
export interface Way {
  /** Settings of the worker. */
  env: Record<string, string>;
  file_format: string;
}

const AS_BYTES = { ENCODE_CSV_FROM_BYTES: String(Number.MAX_SAFE_INTEGER) };
const ENCODED = { ENCODE_CSV_FROM_BYTES: '0', CSV_KERNEL: 'check' };
/** The name of a file format that means the same as COPY's CSV, but needs an option that COPY lacks. */
const NORMALIZED = 'normalized';
const NO_COMMENT = '#- in no file -#';

/** Every file of every test goes each of these ways. */
export const WAYS: Record<string, Way> = {
  'as bytes': { env: AS_BYTES, file_format: 'csv' },
  encoded: { env: ENCODED, file_format: 'csv' },
  normalized: { env: AS_BYTES, file_format: NORMALIZED },
  'normalized and encoded': { env: ENCODED, file_format: NORMALIZED },
};

/** Starts a worker that sends files this way, each in a transaction of its own, which tells which rows are whose. */
export async function startWorker(world: World, { env }: Way): Promise<WorkerProcess> {
  await world.db.query(
    `insert into s3_connector.file_formats (name, kind, comment_prefix, layout)
      values ($1, 'csv', $2, 'csv'), ($3, 'csv', null, 'text') on conflict do nothing`,
    [NORMALIZED, NO_COMMENT, TEXT_LAYOUT],
  );
  return world.startWorker({ ...env, IMPORT_BUNDLE_FILES: '1' });
}

/** A table, how its files are written, and files; each file is one case. */
export interface Group {
  /** Definitions of the table's columns. */
  columns: string;
  /** The columns that the files fill, in order. */
  fills: string[];
  /** Columns of the connector; `csv_skip_header` is false unless it is given. */
  settings?: Record<string, unknown>;
  /** The table has only the columns above, and one file, so that rows need not be assigned to files. */
  bare?: boolean;
  /** Bytes by the name of the case. */
  files: Record<string, Buffer | string>;
  /** Bytes for COPY, if it does not know the encoding. */
  forCopy?: Record<string, Buffer>;
  /** For a bare group whose bad rows are left out: the expected lines. */
  rejectedLines?: number[];
}

/** One file, with the result of our import and that of COPY. */
export interface Result {
  name: string;
  ours: Outcome;
  copy: Outcome;
}

let groups = 0;
/** COPY's results by the digest of the group: they are the same in every way, and each way makes random groups again. */
const COPIED = new Map<string, Outcome[]>();

/** Imports all files of all groups, gives each to COPY, too, and returns both results. */
export async function importAndCopy(world: World, list: Group[], way: Way): Promise<Result[]> {
  const client = await world.db.connect();
  const runs: Run[] = [];
  for (const group of list) runs.push(await start(world, client, group, way));
  const copied: Outcome[][] = [];
  for (const run of runs) {
    const digest = digestOf(run.group);
    const outcomes = COPIED.get(digest) ?? (await copyAll(client, run));
    COPIED.set(digest, outcomes);
    copied.push(outcomes);
  }
  // The views read much for many connectors, at the cost of their imports.
  await waitUntilSettled(
    world.db,
    runs.map((run) => run.table),
    { intervalMs: 200 },
  );
  const results: Result[] = [];
  for (const [i, run] of runs.entries()) {
    const ours = await outcomes(client, run);
    for (const [j, name] of Object.keys(run.group.files).entries()) {
      results.push({ name, ours: ours[j]!, copy: copied[i]![j]! });
    }
    await client.query(`drop table ${run.table}, ${run.table}_copy`);
  }
  await client.end();
  return results;
}

function digestOf({ files, forCopy = {}, ...table }: Group): string {
  const hash = createHash('sha256').update(JSON.stringify(table));
  for (const [name, body] of [...Object.entries(files), ...Object.entries(forCopy)])
    hash.update(JSON.stringify([name, body.length])).update(body);
  return hash.digest('hex');
}

/** A group being imported; files are named by their number. */
interface Run {
  group: Group;
  /** Name of the table, the connector and the folder. */
  table: string;
  settings: Record<string, unknown>;
}

const keyOf = (table: string, position: number) => `${table}/${String(position).padStart(6, '0')}`;

async function start(world: World, client: pg.Client, group: Group, { file_format }: Way): Promise<Run> {
  const table = `exact_${++groups}`;
  // Matching by position skips columns that are always generated.
  const order = group.bare ? '' : ', row_order bigint generated always as identity';
  const lineage = group.settings?.file_id_column ? ', file_id bigint' : '';
  const columns = `(${group.columns}${order}${lineage})`;
  await client.query(`create table ${table} ${columns}; create table ${table}_copy ${columns}`);
  for (const [position, body] of Object.values(group.files).entries())
    world.put(keyOf(table, position), body);
  const settings = { csv_skip_header: false, ...group.settings };
  await world.insertConnector({
    name: table,
    pattern: `${table}/*`,
    target_table: table,
    create_table: false,
    max_tracked_files: 100_000,
    file_format,
    ...settings,
  });
  return { group, table, settings };
}

async function copyAll(client: pg.Client, { group, table, settings }: Run): Promise<Outcome[]> {
  const options = settings as Options;
  const { rows } = await client.query("select current_setting('server_version_num')::int < 180000 as old");
  const outcomes: Outcome[] = [];
  for (const [name, body] of Object.entries(group.files)) {
    const written = group.forCopy?.[name] ?? Buffer.from(body as string);
    const isUtf8 = /^utf/.test(options.csv_encoding ?? 'utf-8');
    const given = isUtf8 && !options.csv_skip_header ? withoutByteOrderMark(written) : written;
    const bytes = rows[0].old ? quoteMarkers(given, options) : given;
    const query = rowsOf(group, `${table}_copy`, orderOf(group));
    // By position, a first row with a field more has the ids of the identity.
    const givesIds =
      !group.bare && !options.csv_skip_header && firstWidth(bytes, options) === group.fills.length + 1;
    const fills = givesIds ? [...group.fills, 'row_order'] : group.fills;
    const copy = (copied: Buffer, changed: Options) =>
      copyByHand(client, `${table}_copy`, fills, copied, { ...options, ...changed }, query);
    let outcome = await copy(bytes, {});
    if (outcome.rows === null && !options.csv_skip_header && startsWithLines(bytes, options)) {
      // COPY counts no newline within quotes in its first line, so the first line must be another one.
      const again = await copy(Buffer.concat([newlineOf(bytes, options), bytes]), { csv_skip_header: true });
      if (again.rows === null)
        outcome = {
          ...again,
          message: again.message.replace(/^line (\d+)/, (_, line) => `line ${line - 1}`),
        };
    }
    if (outcome.rows !== null) outcome.rejected = group.rejectedLines ?? [];
    outcomes.push(outcome);
  }
  return outcomes;
}

/** After a rollback, pages have gaps that later rows may fill. */
function orderOf(group: Group): string {
  if (!group.bare) return 'row_order';
  return group.rejectedLines ? group.fills[0]! : 'ctid';
}

/** The number of fields of the first row. */
function firstWidth(bytes: Buffer, options: Options): number {
  if (options.file_format !== TEXT_LAYOUT) return modelOf(bytes, options).records[0]?.raw.length ?? 0;
  const fields = /^(?:\\[\s\S]|[^\\\r\n])*/.exec(bytes.toString('latin1'))![0].replace(/\\[\s\S]/g, '');
  return fields.split(options.csv_delimiter!).length;
}

/** Whether the first row has newlines in quotes. */
function startsWithLines(bytes: Buffer, options: Options): boolean {
  if (options.file_format === TEXT_LAYOUT) return false;
  return modelOf(bytes, options).records[0]?.raw.some((field) => /[\r\n]/.test(field)) ?? false;
}

function newlineOf(bytes: Buffer, options: Options): Buffer {
  const first = modelOf(bytes, options).records[0]?.raw.join(',').length ?? 0;
  const end = /^(\r\n|\r|\n)/.exec(bytes.toString('latin1', first, first + 2))?.[0] ?? '\n';
  return Buffer.from(end);
}

/** A line of `\.` is an ordinary line for PostgreSQL 18. Older servers end the data there. */
function quoteMarkers(bytes: Buffer, options: Options): Buffer {
  const text = bytes.toString('latin1');
  if (options.file_format === TEXT_LAYOUT || !/(^|[\r\n])\\\.([\r\n]|$)/.test(text)) return bytes;
  const lines = Array.from(modelLines(text, dialectFor(options)), ({ line, end }) => {
    const { quote } = dialectFor(options);
    return (line === '\\.' ? quote + line + quote : line) + (end ?? '');
  });
  return Buffer.from(lines.join(''), 'latin1');
}

function modelOf(bytes: Buffer, options: Options): Model {
  return modelCopy(bytes.toString('latin1', 0, 20_000), dialectFor(options));
}

function dialectFor({ csv_delimiter = ',', csv_quote = '"', csv_escape = '"' }: Options): CsvDialect {
  return dialectOf({ delimiter: csv_delimiter, quote: csv_quote, escape: csv_escape });
}

/** Every row in binary form, and as text for messages. */
function rowsOf(group: Group, table: string, order: string, more = ''): string {
  const names = columnNames(group.columns);
  return `select encode(sha256(record_send(r)), 'hex') as bits, left(r::text, 1000) as shown${more}
    from (select *, xmin, ctid, row(${names.join(', ')}) as r from ${table}) t order by ${order}`;
}

/** The first word of each definition. */
function columnNames(columns: string): string[] {
  return columns
    .split(/,(?![^(]*\))(?![^']*'(?:[^']*'[^']*')*[^']*$)/)
    .map((definition) => /^\s*(\w+|"(?:[^"]|"")+")/.exec(definition)![1]!);
}

async function outcomes(client: pg.Client, { group, table }: Run): Promise<Outcome[]> {
  const { rows: files } = await client.query(
    `select key, status::text, error_code, error_message, xmin::text as tx, rows_imported
      from s3_connector.files where connector_name = $1`,
    [table],
  );
  const { rows: rejected } = await client.query(
    'select key, line from s3_connector.rejected_rows where connector_name = $1 order by line',
    [table],
  );
  // A row belongs to the file whose success the same transaction recorded.
  const { rows } = await client.query(rowsOf(group, table, orderOf(group), ', xmin::text as tx'));
  return Object.keys(group.files).map((_, position): Outcome => {
    const key = keyOf(table, position);
    const file = files.find((candidate) => candidate.key === key);
    // An empty object is a file like any other.
    assert.ok(file, `${key} was not found`);
    if (file.status !== 'success') {
      return { rows: null, code: file.error_code, message: file.error_message.slice(key.length + 2) };
    }
    const own = group.bare ? rows : rows.filter((row) => row.tx === file.tx);
    assert.equal(own.length, Number(file.rows_imported), `${key}: rows counted`);
    const left = rejected.filter((row) => row.key === key).map(({ line }) => Number(line));
    return { rows: own.map(({ bits, shown }) => ({ bits, shown })), rejected: left };
  });
}

/** Differences between our import and COPY, except our stricter refusals. */
export function differences(results: Result[]): object[] {
  return results.flatMap(({ name, ours, copy }) => {
    const difference = differ(ours, copy);
    return difference === null ? [] : [{ name, ...difference }];
  });
}

function differ(ours: Outcome, copy: Outcome): object | null {
  if (ours.rows === null) {
    const stricter = STRICTER[ours.code];
    if (stricter) return stricter.copyRefuses && copy.rows !== null ? { ours, copy: shown(copy) } : null;
    if (copy.rows === null) return sameReason(ours.message, copy.message) ? null : { ours, copy };
    return { ours, copy: shown(copy) };
  }
  if (copy.rows === null) return { ours: shown(ours), copy };
  if (ours.rows.length !== copy.rows.length) return { ours: shown(ours), copy: shown(copy) };
  if (`${ours.rejected}` !== `${copy.rejected}`) return { left: ours.rejected, refused: copy.rejected };
  const at = ours.rows.findIndex((row, i) => row.bits !== copy.rows![i]!.bits);
  return at === -1 ? null : { row: at + 1, ours: ours.rows[at]!.shown, copy: copy.rows[at]!.shown };
}

/** Whether our reason equals COPY's for its own table, apart from the numbers of rows next to the failing one. */
function sameReason(ours: string, copy: string): boolean {
  const clean = (message: string) =>
    message
      // After a broken character, the normal form has a quote.
      .replace(/(invalid byte sequence .*?: 0x..).*/, '$1')
      .replaceAll(/exact_\d+(_copy)?/g, 'exact')
      .replace(/ \(Failing row contains .*\)\.?$/s, '');
  return clean(ours).startsWith(clean(copy));
}

const shown = ({ rows }: Outcome) => ({
  count: rows?.length,
  first: rows?.slice(0, 5).map((row) => row.shown),
});

/** A field, quoted where COPY needs it, or always if `always` is set. */
export function quoteField(value: string, always = false): string {
  const needed = value === '' || value === '\\.' || /[",\n\r]/.test(value);
  return always || needed ? `"${value.replaceAll('"', '""')}"` : value;
}
