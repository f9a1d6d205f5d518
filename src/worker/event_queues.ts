/** Receives S3's events from the SQS queues that connectors name, for the connectors that want their objects. */
import { sql } from 'kysely';
import { backoffMs } from '../backoff.ts';
import type { Control } from '../db/control.ts';
import type { Connector } from '../db/schema.ts';
import { describeError } from '../errors.ts';
import { QueueTurns } from '../events/queue_turns.ts';
import { type ObjectEvent, objectEvents } from '../events/s3_event.ts';
import { takeEvents } from '../events/take.ts';
import { at, reach } from '../fault_points.ts';
import { log } from '../log.ts';
import { compileMatcher } from '../matcher.ts';
import type { S3Sources } from '../sources/s3.ts';
import { LONGEST_WAIT_SECONDS, type QueueOptions, SqsQueues } from '../sources/sqs.ts';
import { repeatUntilAborted, waitOrAbort } from '../waiting.ts';
import type { Liveness } from './liveness.ts';

/** The interval at which the connectors' queues are looked up, in milliseconds. */
const LOOK_UP_MS = 5000;
/** How many requests of one worker wait for messages at the same time. Each takes a connection. */
export const LISTENERS = 50;
/** How long each request waits if there are more queues than listeners. Without a wait, SQS asks only some of its servers. */
const SHORT_WAIT_SECONDS = 1;
/** After an error of a queue. */
const BACKOFF = { firstMs: 1000, longestMs: 60_000 };

/** After messages that could not be handled, in milliseconds. SQS delivers them again after the queue's visibility timeout. */
const KEPT_MS = 1000;

/** A queue that connectors name. */
interface Queue {
  url: string;
  owner: string;
  /** Errors in a row. */
  failures: number;
  /** Aborted when no connector names the queue any more, or the worker stops. */
  gone: AbortController;
}

/**
 * Events only say where to look. If they fail, scheduled polling continues.
 *
 * At most LISTENERS requests wait at the same time. With more queues, each request waits only shortly, and the queues take
 * turns.
 */
export class EventQueues {
  readonly #db: Control['db'];
  readonly #liveness: Liveness;
  readonly #sources: S3Sources;
  readonly #sqs: SqsQueues;
  readonly #end = new AbortController();
  /** By URL. */
  readonly #queues = new Map<string, Queue>();
  readonly #turns = new QueueTurns<Queue>();
  readonly #serving = new Set<Promise<void>>();
  #listeners = 0;
  #lookingUp: Promise<void> | undefined;

  constructor({ db }: Control, liveness: Liveness, sources: S3Sources, options: QueueOptions) {
    this.#db = db;
    this.#liveness = liveness;
    this.#sources = sources;
    // Twice as many, because deleting messages takes connections as well.
    this.#sqs = new SqsQueues(options, 2 * LISTENERS);
  }

  start(): void {
    this.#lookingUp = this.#lookUp();
  }

  async close(): Promise<void> {
    this.#end.abort();
    for (const { gone } of this.#queues.values()) gone.abort();
    await this.#lookingUp;
    await Promise.all(this.#serving);
    this.#sqs.close();
  }

  async #lookUp(): Promise<void> {
    const lookUp = () =>
      this.#findQueues().catch((error) =>
        log.warn('event queues not looked for', { error: describeError(error) }),
      );
    await lookUp();
    await repeatUntilAborted(LOOK_UP_MS, this.#end.signal, lookUp);
  }

  async #findQueues(): Promise<void> {
    const rows = await this.#db
      .selectFrom('s3_connector.connectors')
      .select(({ fn }) => ['event_queue_url as url', fn.min('owner').as('owner')])
      .where('event_queue_url', 'is not', null)
      .where('state', '=', 'running')
      .where(sql<boolean>`not s3_connector_private.belongs_elsewhere(owner, ${this.#liveness.workerId})`)
      .groupBy('event_queue_url')
      .execute();
    if (this.#end.signal.aborted) return;
    const owners = new Map(rows.map(({ url, owner }) => [url!, owner]));
    for (const [url, queue] of this.#queues) if (!owners.has(url)) this.#forget(queue);
    for (const [url, owner] of owners) if (!this.#queues.has(url)) this.#add(url, owner);
    this.#fill();
  }

  #add(url: string, owner: string): void {
    const queue = { url, owner, failures: 0, gone: new AbortController() };
    this.#queues.set(url, queue);
    this.#turns.add(queue);
  }

  #forget({ url, gone }: Queue): void {
    gone.abort();
    this.#queues.delete(url);
  }

  /** Gives each free listener the next queue. */
  #fill(): void {
    while (this.#listeners < LISTENERS && !this.#end.signal.aborted) {
      const queue = this.#turns.take();
      if (!queue) return;
      // Forgotten while it waited for its turn.
      if (queue.gone.signal.aborted) continue;
      const served = this.#serve(queue).finally(() => this.#serving.delete(served));
      this.#serving.add(served);
    }
  }

  /** Receives from a queue once. Then the queue waits for its next turn. */
  async #serve(queue: Queue): Promise<void> {
    const { url } = queue;
    const { signal } = queue.gone;
    this.#listeners++;
    const failed = await this.#receive(url, signal).then(
      () => false,
      (error) => {
        if (!signal.aborted) log.warn('event queue failed', { queue: url, error: describeError(error) });
        return true;
      },
    );
    this.#listeners--;
    this.#fill();
    if (failed) await waitOrAbort(backoffMs(BACKOFF, queue.failures++), signal);
    else queue.failures = 0;
    if (signal.aborted) return;
    this.#turns.add(queue);
    this.#fill();
  }

  async #receive(url: string, signal: AbortSignal): Promise<void> {
    const waitSeconds = this.#queues.size > LISTENERS ? SHORT_WAIT_SECONDS : LONGEST_WAIT_SECONDS;
    await reach('receive_events', 'source');
    const received = await this.#sqs.receive(url, waitSeconds, signal);
    if (received.length === 0) return;
    const messages = received.map((message) => ({ ...message, events: objectEvents(message.body) }));
    const events = messages.flatMap((message) => message.events);
    const kept = new Set<ObjectEvent>();
    for (const connector of await this.#connectorsOf(url, events)) {
      const matcher = compileMatcher(connector);
      const anyBucket = isAccessPoint(connector.bucket);
      const wanted = events.filter(
        ({ bucket, key }) => (anyBucket || bucket === connector.bucket) && matcher.matches(key),
      );
      if (wanted.length === 0) continue;
      const taken = await this.#take(url, connector, wanted, signal);
      if (!taken) for (const event of wanted) kept.add(event);
    }
    // Also messages that no connector wants: the queue would deliver them again and again.
    const done = messages.filter((message) => !message.events.some((event) => kept.has(event)));
    if (done.length > 0) await at('delete_events', () => this.#sqs.delete(url, done), 'source');
    if (done.length < messages.length) await waitOrAbort(KEPT_MS, signal);
  }

  /** Returns whether it could. Another connector's events do not wait for one whose bucket fails. */
  async #take(
    url: string,
    connector: Connector,
    events: readonly ObjectEvent[],
    signal: AbortSignal,
  ): Promise<boolean> {
    const { name } = connector;
    try {
      const { looked, isDone } = await takeEvents(this.#db, connector, {
        source: this.#sources.open(connector),
        events,
        signal,
      });
      log.info('told of new objects', { queue: url, connector: name, objects: events.length, looked });
      if (!isDone)
        log.info('events kept in the queue until there are places', { queue: url, connector: name });
      return isDone;
    } catch (error) {
      if (!signal.aborted)
        log.warn('events kept in the queue', { queue: url, connector: name, error: describeError(error) });
      return false;
    }
  }

  async #connectorsOf(url: string, events: readonly ObjectEvent[]): Promise<Connector[]> {
    if (events.length === 0) return [];
    return await this.#db
      .selectFrom('s3_connector.connectors')
      .selectAll()
      .where('event_queue_url', '=', url)
      .where('state', '=', 'running')
      .where(({ eb, or }) =>
        or([
          eb('bucket', 'in', [...new Set(events.map(({ bucket }) => bucket))]),
          eb('bucket', 'like', 'arn:%'),
          eb('bucket', 'like', '%-s3alias'),
        ]),
      )
      .execute();
  }
}

/** Events name the bucket behind an access point, which its ARN or alias does not. An event of another bucket costs a look at a key. */
function isAccessPoint(bucket: string): boolean {
  return bucket.startsWith('arn:') || bucket.endsWith('-s3alias');
}
