import { gzipSync } from 'node:zlib';
import type pg from 'pg';
import type { BucketServer } from '../../../embedded/bucket/server.ts';
import { parquetOf } from '../../support/parquet.ts';

const BUCKET = 'soak';
const ROWS = 40;
/** One in that many files of a connector is broken. */
const BAD_EVERY = 10;

/** The files of one connector. */
interface Stream {
  name: string;
  columns: Record<string, unknown>;
  body: (file: number, bad: boolean) => Buffer | string;
  /** Whether a bad file is imported without its bad row. */
  survivesBad: boolean;
}

/** Files that arrive steadily in the bucket, for connectors of several kinds, with their expected results. */
export class Arrivals {
  readonly #server: BucketServer;
  readonly #streams: Stream[];
  #arrived = 0;

  private constructor(server: BucketServer, streams: Stream[]) {
    this.#server = server;
    this.#streams = streams;
    server.store.createBucket(BUCKET);
  }

  static async open(server: BucketServer): Promise<Arrivals> {
    const parquet = await parquetOf(`select i as n, 'row ' || i as label from range(${ROWS}) t (i)`);
    const broken = parquet.subarray(0, parquet.length - 9);
    return new Arrivals(server, [
      { name: 'plain', columns: {}, body: csv, survivesBad: false },
      { name: 'tolerant', columns: { on_bad_row: 'skip' }, body: csv, survivesBad: true },
      {
        name: 'packed',
        columns: { max_parallel_files: 2 },
        body: (file, bad) => gzipSync(csv(file, bad)),
        survivesBad: false,
      },
      {
        name: 'parquet',
        columns: { file_format: 'parquet' },
        body: (_, bad) => (bad ? broken : parquet),
        survivesBad: false,
      },
    ]);
  }

  get names(): string[] {
    return this.#streams.map(({ name }) => name);
  }

  get arrived(): number {
    return this.#arrived;
  }

  /** @param retention how long history is kept, as an interval */
  async insertConnectors(client: pg.Client, retention: string): Promise<void> {
    for (const { name, columns } of this.#streams) {
      await client.query(`create table ${name} (n bigint, label text, file_id bigint)`);
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
    const { name, body } = this.#streams[turn % this.#streams.length]!;
    const file = Math.floor(turn / this.#streams.length);
    this.#server.store.put(BUCKET, `${name}/${String(file).padStart(9, '0')}`, body(file, isBad(file)));
  }

  /** @throws if a file is missing, was imported twice or in part, or failed without a reason */
  async assertImported(client: pg.Client): Promise<void> {
    for (const [i, { name, survivesBad }] of this.#streams.entries()) {
      const files = Math.ceil((this.#arrived - i) / this.#streams.length);
      const bad = Math.floor((files + BAD_EVERY - 1 - BAD_AT) / BAD_EVERY);
      const expected = {
        success: survivesBad ? files : files - bad,
        failure: survivesBad ? 0 : bad,
        rows: (files - bad) * ROWS + (survivesBad ? bad * (ROWS - 1) : 0),
      };
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
    }
  }
}

const BAD_AT = 3;

function isBad(file: number): boolean {
  return file % BAD_EVERY === BAD_AT;
}

function csv(file: number, bad: boolean): string {
  const rows = Array.from({ length: ROWS }, (_, n) => `${bad && n === 5 ? 'broken' : n},label ${file}`);
  return `n,label\n${rows.join('\n')}\n`;
}
