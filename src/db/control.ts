import { Kysely } from 'kysely';
import { PostgresJSDialect } from 'kysely-postgres-js';
import postgres from 'postgres';
import type { Database } from './schema.ts';

/** The control connections: typed queries, and LISTEN that reconnects by itself. */
export interface Control {
  readonly db: Kysely<Database>;
  readonly client: postgres.Sql<{ bigint: number }>;
  close(): Promise<void>;
}

/** Opens the control connections; nothing is sent before the first query. */
export function openControl(databaseUrl: string): Control {
  const client = postgres(databaseUrl, {
    max: 4,
    onnotice: () => {},
    connection: { application_name: 's3_connector control' },
    // bigint: row counts, ids and byte sizes stay far below 2^53.
    types: { bigint: { to: 20, from: [20], serialize: String, parse: Number } },
  });
  const db = new Kysely<Database>({ dialect: new PostgresJSDialect({ postgres: client }) });
  // Not db.destroy(): that ends no connection as long as Kysely itself has not asked for one.
  return { db, client, close: () => client.end() };
}
