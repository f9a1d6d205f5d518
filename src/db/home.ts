import { type Kysely, sql } from 'kysely';
import { log } from '../log.ts';
import type { Database } from './schema.ts';

/** Pauses all connectors where this database is a copy of the one that they ran in, until they are resumed on purpose. */
export async function settleIn(db: Kysely<Database>): Promise<void> {
  const { rows } = await sql<{ paused: string }>`
    select s3_connector_private.settle_in()::text as paused`.execute(db);
  const connectors = Number(rows[0]?.paused);
  if (connectors > 0) log.warn('this database is a copy: its connectors are paused', { connectors });
}
