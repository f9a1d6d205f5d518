import { gzipSync } from 'node:zlib';
import type pg from 'pg';
import type { BucketServer } from '../../../embedded/bucket/server.ts';
import type { SqsServer } from '../../../embedded/sqs/server.ts';
import { parquetOf } from '../../support/parquet.ts';

const BUCKET = 'soak';
const ROWS = 40;
/** One in that many files of a connector is broken. */
const BAD_EVERY = 10;
/** Keys arrive in reverse within blocks of that many: behind the marker, and within the reach of a poll. */
const BLOCK = 16;
/** A file of the growing connector has one more column than those before, again and again, up to so many. */
const GROWS_EVERY = 30;
const MAX_COLUMNS = 20;
const VERSIONS = 2;

/** The files of one connector. */
interface Stream {
  name: string;
  columns: Record<string, unknown>;
  body: (file: number, bad: boolean) => Buffer | string;
  /** What becomes of a bad file: it fails, or is imported without its bad row; `none`: no file is bad. */
  bad: 'fails' | 'loses a row' | 'none';
  /** The number in the key of a file; by default the keys arrive in order. */
  position?: (file: number) => number;
  /** More columns of its table. */
  key?: string;
  /** Whether each file replaces the rows of the one before. */
  replaces?: boolean;
  /** How many files in a row have the same key: each overwrites the one before. */
  versions?: number;
  /** Whether S3 announces the files, and nobody else. */
  announced?: boolean;
}

/** What the database has. */
export interface State {
  /** Files that ended. */
  ended: number;
  /** Files with rows of a version that was overwritten. */
  old: number;
  /** Jobs that are running. */
  busy: number;
}

/** Files that arrive steadily in the bucket, for connectors of several kinds, with their expected results. */
export class Arrivals {
  readonly #server: BucketServer;
  readonly #queue: SqsServer;
  readonly #streams: Stream[];
  #arrived = 0;

  private constructor(server: BucketServer, queue: SqsServer, streams: Stream[]) {
    this.#server = server;
    this.#queue = queue;
    this.#streams = streams;
    server.store.createBucket(BUCKET);
  }

  static async open(server: BucketServer, queue: SqsServer): Promise<Arrivals> {
    const parquet = await parquetOf(`select i as n, 'row ' || i as label from range(${ROWS}) t (i)`);
    const broken = parquet.subarray(0, parquet.length - 9);
    return new Arrivals(server, queue, [
      { name: 'plain', columns: {}, body: csv, bad: 'fails' },
      { name: 'tolerant', columns: { on_bad_row: 'skip' }, body: csv, bad: 'loses a row' },
      {
        name: 'packed',
        columns: { max_parallel_files: 2 },
        body: (file, bad) => gzipSync(csv(file, bad)),
        bad: 'fails',
      },
      {
        name: 'parquet',
        columns: { file_format: 'parquet' },
        body: (_, bad) => (bad ? broken : parquet),
        bad: 'fails',
      },
      { name: 'json', columns: { file_format: 'json' }, body: json, bad: 'fails' },
      {
        name: 'growing',
        columns: { on_unknown_column: 'add' },
        body: (file, bad) => grownCsv(file, bad),
        bad: 'fails',
      },
      // Strictly in order, and a failed file would stop all later ones.
      {
        name: 'changed',
        columns: { change_column: 'op', change_values: 'dms' },
        body: (file) => csv(file, false, 'U'),
        bad: 'none',
        key: 'primary key',
        replaces: true,
      },
      {
        name: 'overwritten',
        columns: { on_overwrite: 'reimport' },
        body: (file) => csv(file, false),
        bad: 'none',
        versions: VERSIONS,
      },
      { name: 'late', columns: { late_keys: 'import' }, body: csv, bad: 'fails', position: reversed },
      {
        name: 'announced',
        columns: { late_keys: 'import', event_queue_url: queue.url },
        body: csv,
        bad: 'fails',
        position: reversed,
        announced: true,
      },
    ]);
  }

  /** The connectors that nobody polls unless they are asked to. */
  get polled(): string[] {
    return this.#streams.filter(({ announced }) => !announced).map(({ name }) => name);
  }

  get arrived(): number {
    return this.#arrived;
  }

  /** How many keys that makes. */
  get files(): number {
    return this.#streams.reduce((sum, stream) => sum + keysOf(stream, this.#arrivedOf(stream)), 0);
  }

  #arrivedOf(stream: Stream): number {
    return Math.ceil((this.#arrived - this.#streams.indexOf(stream)) / this.#streams.length);
  }

  async state(client: pg.Client): Promise<State> {
    const overwritten = this.#streams.find(({ versions }) => versions)!;
    const { rows } = await client.query<State>(
      `select (select count(*)::integer from s3_connector.files where status in ('success', 'failure')) as ended,
        (select count(distinct file_id)::integer from overwritten where label <> all ($1)) as old,
        (select count(*)::integer from s3_connector_queue.jobs where locked_at is not null) as busy`,
      [lastVersions(this.#arrivedOf(overwritten))],
    );
    return rows[0]!;
  }

  /** @param retention how long history is kept, as an interval */
  async insertConnectors(client: pg.Client, retention: string): Promise<void> {
    for (const { name, columns, key = '' } of this.#streams) {
      await client.query(`create table ${name} (n bigint ${key}, label text, file_id bigint)`);
      const row = {
        name,
        bucket: BUCKET,
        endpoint: this.#server.endpoint,
        pattern: `${name}/**`,
        file_format: 'csv',
        target_table: name,
        file_id_column: 'file_id',
        retention,
        ...columns,
      };
      await client.query(
        `insert into s3_connector.connectors (${Object.keys(row).join(', ')})
          values (${Object.keys(row)
            .map((_, i) => `$${i + 1}`)
            .join(', ')})`,
        Object.values(row),
      );
    }
  }

  /** Adds one more file, for each connector in turn. */
  next(): void {
    const turn = this.#arrived++;
    const {
      name,
      body,
      bad,
      versions = 1,
      position = (file) => file,
      announced,
    } = this.#streams[turn % this.#streams.length]!;
    const file = Math.floor(turn / this.#streams.length);
    const key = `${name}/${String(position(Math.floor(file / versions))).padStart(9, '0')}`;
    this.#server.store.put(BUCKET, key, body(file, bad !== 'none' && isBad(file)));
    if (announced) this.#announce(key);
  }

  /** As S3 does. */
  #announce(key: string): void {
    const { etag } = this.#server.store.get(BUCKET, key)!;
    const object = { key: encodeURIComponent(key), eTag: etag.replaceAll('"', '') };
    const record = { eventName: 'ObjectCreated:Put', s3: { bucket: { name: BUCKET }, object } };
    this.#queue.send(JSON.stringify({ Records: [record] }));
  }

  /**
   * Prints the results as a table.
   * @throws if a file is missing, was imported twice or in part, or failed without a reason
   */
  async assertImported(client: pg.Client): Promise<void> {
    console.log(
      `${'connector'.padEnd(14)}${['files', 'failed', 'rows'].map((title) => title.padStart(10)).join('')}`,
    );
    for (const stream of this.#streams) {
      const { name } = stream;
      const expected = expectedOf(stream, keysOf(stream, this.#arrivedOf(stream)));
      const { rows } = await client.query(
        `select count(*) filter (where status = 'success')::integer as success,
          count(*) filter (where status = 'failure')::integer as failure,
          (select count(distinct (file_id, n))::integer from ${name}) as rows,
          (select count(*)::integer from ${name}) as all_rows
         from s3_connector.files where connector_name = $1`,
        [name],
      );
      const { all_rows, ...found } = rows[0];
      if (JSON.stringify(found) !== JSON.stringify(expected) || all_rows !== expected.rows) {
        throw new Error(`${name}: expected ${JSON.stringify(expected)}, got ${JSON.stringify(rows[0])}`);
      }
      const figures = [found.success + found.failure, found.failure, all_rows];
      console.log(`${name.padEnd(14)}${figures.map((figure) => String(figure).padStart(10)).join('')}`);
    }
    await this.#assertChanged(client);
    await assertGrown(client);
  }

  /** The last file in the order of the keys has the last word. */
  async #assertChanged(client: pg.Client): Promise<void> {
    const { rows } = await client.query<{ label: string }>('select distinct label from changed');
    const { rows: last } = await client.query<{ key: string }>(
      "select max(key) as key from s3_connector.files where connector_name = 'changed'",
    );
    const expected = `label ${Number(last[0]!.key.split('/')[1])}`;
    if (rows.length !== 1 || rows[0]!.label !== expected)
      throw new Error(`changed: expected ${expected} in every row, got ${JSON.stringify(rows)}`);
  }
}

function keysOf({ versions = 1 }: Stream, files: number): number {
  return Math.ceil(files / versions);
}

/** Returns the labels of the files that no other has overwritten. */
function lastVersions(files: number): string[] {
  return Array.from(
    { length: Math.ceil(files / VERSIONS) },
    (_, key) => `label ${Math.min(key * VERSIONS + VERSIONS - 1, files - 1)}`,
  );
}

function expectedOf(
  { bad, replaces }: Stream,
  files: number,
): { success: number; failure: number; rows: number } {
  const badFiles = bad === 'none' ? 0 : Math.floor((files + BAD_EVERY - 1 - BAD_AT) / BAD_EVERY);
  const failure = bad === 'fails' ? badFiles : 0;
  const lost = bad === 'loses a row' ? badFiles : 0;
  const whole = replaces ? 1 : files - failure;
  return { success: files - failure, failure, rows: whole * ROWS - lost };
}

/** Each column was added once, and every row has the values of its file. */
async function assertGrown(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ columns: number; changes: number; odd: number }>(
    `select
      (select count(*)::integer from information_schema.columns where table_name = 'growing' and column_name ~ '^c[0-9]+$') as columns,
      (select count(*)::integer from s3_connector.schema_changes where connector_name = 'growing') as changes,
      (select count(*)::integer from growing g where (select count(*) from jsonb_each(to_jsonb(g)) e
        where e.key ~ '^c[0-9]+$' and e.value <> 'null') <> least(substr(label, 7)::integer / ${GROWS_EVERY}, ${MAX_COLUMNS})) as odd`,
  );
  const { columns, changes, odd } = rows[0]!;
  if (odd > 0 || changes > columns || (columns > 0 && changes === 0))
    throw new Error(`growing: ${JSON.stringify(rows[0])}`);
}

const BAD_AT = 3;

function isBad(file: number): boolean {
  return file % BAD_EVERY === BAD_AT;
}

function reversed(file: number): number {
  return file - (file % BLOCK) + (BLOCK - 1 - (file % BLOCK));
}

function numberOf(n: number, bad: boolean): number | string {
  return bad && n === 5 ? 'broken' : n;
}

/** @param op the kind of change, in a column of its own */
function csv(file: number, bad: boolean, op?: string): string {
  const [header, first] = op === undefined ? ['', ''] : ['op,', `${op},`];
  const rows = Array.from({ length: ROWS }, (_, n) => `${first}${numberOf(n, bad)},label ${file}`);
  return `${header}n,label\n${rows.join('\n')}\n`;
}

function json(file: number, bad: boolean): string {
  const rows = Array.from({ length: ROWS }, (_, n) => ({ n: numberOf(n, bad), label: `label ${file}` }));
  return rows.map((row) => `${JSON.stringify(row)}\n`).join('');
}

function grownCsv(file: number, bad: boolean): string {
  const names = Array.from(
    { length: Math.min(Math.floor(file / GROWS_EVERY), MAX_COLUMNS) },
    (_, c) => `c${c}`,
  );
  const rows = Array.from({ length: ROWS }, (_, n) => [
    numberOf(n, bad),
    `label ${file}`,
    ...names.map(() => n),
  ]);
  return [['n', 'label', ...names], ...rows].map((row) => `${row.join(',')}\n`).join('');
}
