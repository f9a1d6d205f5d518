/** Pauses the connectors of a "copy": a database that was restored, cloned or upgraded from the one that they last ran in. */
import { type Kysely, sql } from 'kysely';
import { log } from '../log.ts';
import type { Database } from './schema.ts';

/** Pauses all connectors if this database is a copy, until a person resumes them. Logs a warning with their number. */
export async function pauseIfCopied(db: Kysely<Database>): Promise<void> {
  const { rows } = await sql<{ paused: string }>`
    select s3_connector_private.pause_if_copied()::text as paused`.execute(db);
  const connectors = Number(rows[0]?.paused);
  if (connectors === 0) return;
  log.warn('this database is a copy: its connectors are paused', {
    connectors,
    hint: 'To import here too: select s3_connector.resume(name);',
  });
}
