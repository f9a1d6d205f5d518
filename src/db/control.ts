/** The "control" connections: typed queries for the bookkeeping, and LISTEN. */
import { Kysely, PostgresDialect } from 'kysely';
import pg from 'pg';
import { KEEP_MS } from '../keep.ts';
import { SessionPool } from './connections.ts';
import { Listener } from './listener.ts';
import type { Database } from './schema.ts';

export interface Control {
  readonly db: Kysely<Database>;
  readonly listener: Listener;
  close(): Promise<void>;
}

/**
 * Opens the control connections. Nothing is sent before the first query.
 * @param maxQueries how many queries may run at the same time
 */
export function openControl(databaseUrl: string, maxQueries: number): Control {
  const listener = new Listener(databaseUrl);
  const pool = new SessionPool(databaseUrl, 'control', {
    max: maxQueries,
    idleTimeoutMillis: KEEP_MS,
    types: { getTypeParser },
  });
  const db = new Kysely<Database>({ dialect: new PostgresDialect({ pool }) });
  return {
    db,
    listener,
    // Not db.destroy(): before Kysely's first query it ends no connection.
    close: async () => {
      await Promise.all([pool.end(), listener.close()]);
    },
  };
}

/** Reads bigint as a number: row counts, ids and byte sizes stay far below 2^53. */
const getTypeParser: typeof pg.types.getTypeParser = (oid: number, format?: 'text' | 'binary') => {
  if (oid === pg.types.builtins.INT8 && format !== 'binary') return Number;
  return pg.types.getTypeParser(oid, format as 'text');
};
