/** Finds archived objects that have been restored, and queues their files. */
import { type Kysely, sql } from 'kysely';
import type { Connector, Database } from './db/schema.ts';
import { describeError } from './errors.ts';
import { at } from './fault_points.ts';
import { log } from './log.ts';
import { headAll } from './sources/heads.ts';
import type { Source } from './sources/source.ts';

/** Looks at the next archived objects of a connector. A failure only delays them, so it is logged and not thrown. */
export async function lookForRestored(
  db: Kysely<Database>,
  { name }: Connector,
  source: Source,
): Promise<void> {
  try {
    const { rows } = await sql<{ key: string }>`
      select key from s3_connector_private.claim_archived(${name}) key`.execute(db);
    const keys = rows.map(({ key }) => key);
    const objects = await at('head_archived', () => headAll(source, keys), 'source');
    // One that is gone, too: its next attempt fails with that error, and no longer waits for a restore.
    const restored = keys.filter((_, index) => !objects[index]?.archived);
    if (restored.length === 0) return;
    await sql`select s3_connector_private.queue_restored(${name}, ${restored}::text[])`.execute(db);
    log.info('archived objects restored', { connector: name, files: restored.length });
  } catch (error) {
    log.warn('archived objects not looked at', { connector: name, error: describeError(error) });
  }
}
