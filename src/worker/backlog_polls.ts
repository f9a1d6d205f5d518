/** Polls connectors that have a backlog as soon as places in their queue become free. */
import { setTimeout as delay } from 'node:timers/promises';
import { sql } from 'kysely';
import { Coalesced } from '../coalesce.ts';
import type { Control } from '../db/control.ts';
import { describeError } from '../errors.ts';
import { at } from '../fault_points.ts';
import { log } from '../log.ts';

/** Requests within this time share one query, in milliseconds. The query costs more the more files are queued. */
const TOGETHER_MS = 20;

/** Requests polls, one query at a time for each connector: requests during a query, or just after it, share the next one. */
export class BacklogPolls {
  readonly #db: Control['db'];
  readonly #polls = new Map<string, Coalesced>();

  constructor({ db }: Control) {
    this.#db = db;
  }

  /** Requests a poll. Call it when the end of a file is committed, as that frees a place. */
  request(connectorName: string): void {
    const polls = this.#polls.get(connectorName) ?? new Coalesced(() => this.#poll(connectorName));
    this.#polls.set(connectorName, polls);
    void polls.request().then(() => this.#polls.delete(connectorName));
  }

  /** Resolves when all requests are done. */
  async close(): Promise<void> {
    await Promise.all([...this.#polls.values()].map((polls) => polls.settled()));
  }

  async #poll(connectorName: string): Promise<void> {
    await at('queue_backlog_poll', () => queuePoll(this.#db, connectorName)).catch((error) =>
      // The schedule polls the connector within a minute anyway.
      log.warn('backlog poll failed', { connector: connectorName, error: describeError(error) }),
    );
    await delay(TOGETHER_MS);
  }
}

/** Queues a poll if the connector has a backlog and enough free places in the queue. */
async function queuePoll(db: Control['db'], connectorName: string): Promise<void> {
  await sql`select s3_connector_private.enqueue_more(${connectorName})`.execute(db);
}
