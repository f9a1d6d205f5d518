/** Receives S3's events from the SQS queues that connectors name, and polls the connectors that want the new objects. */
import { sql } from 'kysely';
import { backoffMs } from '../backoff.ts';
import type { Control } from '../db/control.ts';
import { describeError } from '../errors.ts';
import { writtenObjects } from '../events/s3_event.ts';
import { compileGlob } from '../glob.ts';
import { log } from '../log.ts';
import { EventQueue } from '../sources/sqs.ts';
import { waitOrAbort } from '../waiting.ts';
import type { Liveness } from './liveness.ts';

/** The interval at which the connectors' queues are looked up, in milliseconds. */
const LOOK_UP_MS = 5000;
/** After an error of a queue. */
const BACKOFF = { firstMs: 1000, longestMs: 60_000 };

/** A connector that is polled when its queue announces a key that it wants. */
interface Listening {
  name: string;
  bucket: string;
  pattern: string;
}

/**
 * Only LIST decides which objects exist. If events fail, scheduled polling continues.
 */
export class EventQueues {
  readonly #db: Control['db'];
  readonly #liveness: Liveness;
  readonly #allowedEndpoints: readonly string[];
  readonly #end = new AbortController();
  /** By URL. Aborting the controller stops listening. */
  readonly #listening = new Map<string, { controller: AbortController; ended: Promise<void> }>();
  #lookingUp: Promise<void> | undefined;

  constructor({ db }: Control, liveness: Liveness, allowedEndpoints: readonly string[]) {
    this.#db = db;
    this.#liveness = liveness;
    this.#allowedEndpoints = allowedEndpoints;
  }

  start(): void {
    this.#lookingUp = this.#lookUp();
  }

  async close(): Promise<void> {
    this.#end.abort();
    for (const { controller } of this.#listening.values()) controller.abort();
    await this.#lookingUp;
    await Promise.all([...this.#listening.values()].map(({ ended }) => ended));
  }

  async #lookUp(): Promise<void> {
    const { signal } = this.#end;
    while (!signal.aborted) {
      await this.#findQueues().catch((error) =>
        log.warn('event queues not looked for', { error: describeError(error) }),
      );
      await waitOrAbort(LOOK_UP_MS, signal);
    }
  }

  async #findQueues(): Promise<void> {
    const rows = await this.#db
      .selectFrom('s3_connector.connectors')
      .select('event_queue_url as url')
      .distinct()
      .where('event_queue_url', 'is not', null)
      .where('state', '=', 'running')
      .where(sql<boolean>`not s3_connector_private.belongs_elsewhere(owner, ${this.#liveness.workerId})`)
      .execute();
    if (this.#end.signal.aborted) return;
    const urls = new Set(rows.map((row) => row.url!));
    for (const [url, { controller }] of this.#listening) if (!urls.has(url)) controller.abort();
    for (const url of urls) if (!this.#listening.has(url)) this.#begin(url);
  }

  #begin(url: string): void {
    const controller = new AbortController();
    const ended = this.#listen(url, controller.signal).finally(() => this.#listening.delete(url));
    this.#listening.set(url, { controller, ended });
  }

  async #listen(url: string, signal: AbortSignal): Promise<void> {
    let queue: EventQueue | undefined;
    for (let failures = 0; !signal.aborted; ) {
      try {
        queue ??= new EventQueue(url, this.#allowedEndpoints);
        await this.#receive(queue, url, signal);
        failures = 0;
      } catch (error) {
        if (signal.aborted) break;
        log.warn('event queue failed', { queue: url, error: describeError(error) });
        await waitOrAbort(backoffMs(BACKOFF, failures), signal);
        failures++;
      }
    }
    queue?.close();
  }

  async #receive(queue: EventQueue, url: string, signal: AbortSignal): Promise<void> {
    const messages = await queue.receive(signal);
    if (messages.length === 0) return;
    const objects = messages.flatMap(({ body }) => writtenObjects(body));
    const connectors = await this.#connectorsOf(url);
    const wanted = connectors.filter(({ bucket, pattern }) => {
      const glob = compileGlob(pattern);
      return objects.some((object) => object.bucket === bucket && glob.matches(object.key));
    });
    const names = wanted.map(({ name }) => name);
    if (names.length > 0) {
      await sql`select s3_connector_private.poll_for_events(${names}::text[])`.execute(this.#db);
      log.info('told of new objects', { queue: url, connectors: names });
    }
    // Also messages that no connector wants: the queue would deliver them again and again.
    await queue.delete(messages);
  }

  async #connectorsOf(url: string): Promise<Listening[]> {
    return await this.#db
      .selectFrom('s3_connector.connectors')
      .select(['name', 'bucket', 'pattern'])
      .where('event_queue_url', '=', url)
      .where('state', '=', 'running')
      .execute();
  }
}
