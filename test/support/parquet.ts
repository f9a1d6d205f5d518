import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type DuckDBConnection, DuckDBInstance, type DuckDBValue } from '@duckdb/node-api';

/** The Range header of the request for the end of a large Parquet file, and of the one for the bytes before. */
export const TAIL = /^bytes=\d+-$/;
export const BEFORE_TAIL = /^bytes=\d+-\d+$/;

/** Returns the bytes of a Parquet file with the rows of a DuckDB query. */
export async function parquetOf(query: string, options = ''): Promise<Buffer> {
  return await inDuckDB(async (connection, path) => {
    await connection.run(`copy (${query}) to '${path}' (format parquet${options})`);
    return await readFile(path);
  });
}

/** A Parquet file as DuckDB's own library reads it. */
export interface ReadParquet {
  /** DuckDB's, by column. */
  types: Record<string, string>;
  rows: Record<string, DuckDBValue>[];
}

export async function readParquet(body: Buffer): Promise<ReadParquet> {
  return await inDuckDB(async (connection, path) => {
    await writeFile(path, body);
    const reader = await connection.runAndReadAll(
      `select * from read_parquet('${path}') order by file_row_number`,
    );
    const types = reader.columnTypes().map(String);
    return {
      types: Object.fromEntries(reader.columnNames().map((name, i) => [name, types[i]!])),
      rows: reader.getRowObjects(),
    };
  });
}

async function inDuckDB<T>(run: (connection: DuckDBConnection, path: string) => Promise<T>): Promise<T> {
  const directory = await mkdtemp(join(tmpdir(), 'parquet-'));
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  try {
    await connection.run("set timezone = 'UTC'");
    return await run(connection, join(directory, 'file.parquet'));
  } finally {
    connection.closeSync();
    instance.closeSync();
    await rm(directory, { recursive: true, force: true });
  }
}
