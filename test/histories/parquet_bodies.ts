/** Parquet objects of histories, written and read back by DuckDB. */
import { readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';

/** A column, and its type in DuckDB. */
export interface TypedColumn {
  name: string;
  type: 'INTEGER' | 'BIGINT' | 'VARCHAR';
}

type Value = string | number | null;

let files = 0;
let connected: Promise<DuckDBConnection> | undefined;
/** One connection: its uses come one after the other. */
let last: Promise<unknown> = Promise.resolve();

export async function toParquet(columns: TypedColumn[], rows: Value[][]): Promise<Buffer> {
  const quote = (value: Value) =>
    typeof value === 'string' ? `'${value.replaceAll("'", "''")}'` : String(value);
  const names = columns.map(({ name }) => `"${name}"`).join(', ');
  const nothing = columns.map(() => 'null').join(', ');
  const lines = rows.map((row, i) => `(${i + 1}, ${row.map(quote).join(', ')})`);
  const typed = columns.map(({ name, type }) => `"${name}"::${type} as "${name}"`).join(', ');
  const query = `select ${typed} from (values ${[`(0, ${nothing})`, ...lines].join(', ')}) t (nr, ${names}) where nr > 0 order by nr`;
  return await inTurn(async (connection, path) => {
    await connection.run(`copy (${query}) to '${path}' (format parquet)`);
    return await readFile(path);
  });
}

/** Returns the rows of a Parquet file as JSON, in their order. */
export async function fromParquet(bytes: Buffer): Promise<string[]> {
  return await inTurn(async (connection, path) => {
    await writeFile(path, bytes);
    const rows = await connection.runAndReadAll(
      `select to_json(t)::varchar from (select * from read_parquet('${path}') order by file_row_number) t`,
    );
    return rows.getRows().map(([row]) => String(row));
  });
}

/** Lets the work use a file of its own. DuckDB caches what it has read of a file, by its path, size and time of change. */
function inTurn<T>(work: (connection: DuckDBConnection, path: string) => Promise<T>): Promise<T> {
  files += 1;
  const path = join(tmpdir(), `histories-${process.pid}-${files}.parquet`);
  connected ??= DuckDBInstance.create(':memory:', { threads: '1' }).then((instance) => instance.connect());
  const turn = last.then(async () => {
    try {
      return await work(await connected!, path);
    } finally {
      await rm(path, { force: true });
    }
  });
  last = turn.catch(() => {});
  return turn;
}
