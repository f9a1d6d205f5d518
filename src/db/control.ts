import { Kysely, PostgresDialect } from 'kysely';
import pg from 'pg';
import { SessionPool } from './connections.ts';
import { Listener } from './listener.ts';
import type { Database } from './schema.ts';

/** One that has not been asked for so long is ended, in milliseconds. */
const IDLE_MS = 60_000;

/** The control connections: typed queries, and LISTEN. */
export interface Control {
  readonly db: Kysely<Database>;
  readonly listener: Listener;
  close(): Promise<void>;
}

/**
 * Opens the control connections; nothing is sent before the first query.
 * @param maxQueries how many queries may be under way at once
 */
export function openControl(databaseUrl: string, maxQueries: number): Control {
  const listener = new Listener(databaseUrl);
  const pool = new SessionPool(databaseUrl, 'control', {
    max: maxQueries,
    // Some are asked all the time: to connect anew for each burst would only cost time.
    idleTimeoutMillis: IDLE_MS,
    types: { getTypeParser },
  });
  const db = new Kysely<Database>({ dialect: new PostgresDialect({ pool }) });
  return {
    db,
    listener,
    // Not db.destroy(): that ends no connection as long as Kysely itself has not asked for one.
    close: async () => {
      await Promise.all([pool.end(), listener.close()]);
    },
  };
}

/** bigint as a number: row counts, ids and byte sizes stay far below 2^53. */
const getTypeParser: typeof pg.types.getTypeParser = (oid: number, format?: 'text' | 'binary') => {
  if (oid === pg.types.builtins.INT8 && format !== 'binary') return Number;
  return pg.types.getTypeParser(oid, format as 'text');
};
