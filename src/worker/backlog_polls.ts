/** Polls connectors that have a backlog as soon as places in their queue become free. */
import { setTimeout as delay } from 'node:timers/promises';
import { sql } from 'kysely';
import type { Control } from '../db/control.ts';
import { describeError } from '../errors.ts';
import { log } from '../log.ts';

/** Requests within this time share one query, in milliseconds. The query costs more the more files are queued. */
const TOGETHER_MS = 20;

/** Requests polls, one query at a time for each connector: requests during a query, or just after it, share the next one. */
export class BacklogPolls {
  readonly #db: Control['db'];
  readonly #running = new Map<string, Promise<void>>();
  readonly #requestedAgain = new Set<string>();

  constructor({ db }: Control) {
    this.#db = db;
  }

  /** Requests a poll. Call it when the end of a file is committed, as that frees a place. */
  request(connectorName: string): void {
    if (this.#running.has(connectorName)) this.#requestedAgain.add(connectorName);
    else this.#running.set(connectorName, this.#run(connectorName));
  }

  /** Resolves when all requests are done. */
  async close(): Promise<void> {
    await Promise.all(this.#running.values());
  }

  async #run(connectorName: string): Promise<void> {
    do {
      this.#requestedAgain.delete(connectorName);
      await queuePoll(this.#db, connectorName).catch((error) =>
        // The schedule polls the connector within a minute anyway.
        log.warn('backlog poll failed', { connector: connectorName, error: describeError(error) }),
      );
      await delay(TOGETHER_MS);
    } while (this.#requestedAgain.has(connectorName));
    this.#running.delete(connectorName);
  }
}

/** Queues a poll if the connector has a backlog and enough free places in the queue. */
async function queuePoll(db: Control['db'], connectorName: string): Promise<void> {
  await sql`select s3_connector_private.refill(${connectorName})`.execute(db);
}
