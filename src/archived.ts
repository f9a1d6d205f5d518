/** Finds archived objects that have been restored, and queues their files. */
import { type Kysely, sql } from 'kysely';
import type { Connector, Database } from './db/schema.ts';
import { ConnectorError, describeError } from './errors.ts';
import { log } from './log.ts';
import type { Source } from './sources/source.ts';

/** HEAD requests at the same time. */
const HEADS = 10;

/** Looks at the next archived objects of a connector. A failure only delays them, so it is logged and not thrown. */
export async function lookForRestored(
  db: Kysely<Database>,
  { name }: Connector,
  source: Source,
): Promise<void> {
  try {
    const { rows } = await sql<{ key: string }>`
      select key from s3_connector_private.claim_archived(${name}) key`.execute(db);
    const restored: string[] = [];
    for (let at = 0; at < rows.length; at += HEADS) {
      const keys = rows.slice(at, at + HEADS).map(({ key }) => key);
      const archived = await Promise.all(keys.map((key) => isArchived(source, key)));
      restored.push(...keys.filter((_, index) => !archived[index]));
    }
    if (restored.length === 0) return;
    await sql`select s3_connector_private.queue_restored(${name}, ${restored}::text[])`.execute(db);
    log.info('archived objects restored', { connector: name, files: restored.length });
  } catch (error) {
    log.warn('archived objects not looked at', { connector: name, error: describeError(error) });
  }
}

async function isArchived(source: Source, key: string): Promise<boolean> {
  try {
    return (await source.head(key)).archived ?? false;
  } catch (error) {
    // Its next attempt fails with this error, and no longer waits for a restore.
    if (error instanceof ConnectorError && error.code === 'object_missing') return false;
    throw error;
  }
}
