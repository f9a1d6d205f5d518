import { setTimeout as delay } from 'node:timers/promises';
import type { TestDatabase } from './database.ts';
import { LONGEST_WAIT_MS } from './until.ts';

/** Only a connector that was polled, without such a file and without a backlog, can have settled. */
const WAITS = `select exists (
    select from unnest($1::text[]) as given (name)
    where not exists (select from s3_connector.polls where connector_name = given.name)
  ) or exists (
    select from s3_connector.files
    where connector_name = any ($1) and status in ('in_queue', 'running', 'pending_retry')
  ) or exists (
    select from s3_connector_private.progress where connector_name = any ($1) and backlog
  ) as waits`;

const STATUS = 'select * from s3_connector.connector_status where name = any ($1)';
/** One column: the view takes half the time to plan then. */
const SETTLED = `select name from s3_connector.connector_status
  where name = any ($1) and caught_up and in_queue + running + pending_retry = 0`;

/** The first interval between two looks, in milliseconds. A small file is often imported within two or three of them. */
const SHORTEST_MS = 10;

/**
 * Waits until the connectors have caught up and all their files have ended. connector_status says so, but to plan it takes
 * longer than to import a small file, so it is read only when no file waits. The intervals grow, so that long waits cost little.
 * @param options `intervalMs`: the longest interval between two looks
 */
export async function waitUntilSettled(
  db: TestDatabase,
  names: string[],
  { intervalMs = 100 } = {},
): Promise<void> {
  const deadline = Date.now() + LONGEST_WAIT_MS;
  for (let wait = SHORTEST_MS; ; wait = Math.min(wait * 1.5, intervalMs)) {
    const { waits } = await db.one<{ waits: boolean }>(WAITS, [names]);
    if (!waits && (await db.query(SETTLED, [names])).length === names.length) return;
    if (Date.now() > deadline) {
      const last = await db.query(STATUS, [names]);
      throw new Error(
        `waited ${LONGEST_WAIT_MS} ms, but not all connectors have settled: ${JSON.stringify(last)}`,
      );
    }
    await delay(wait);
  }
}
