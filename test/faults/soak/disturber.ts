import type { Fault, FaultOrder } from '../../../embedded/bucket/faults.ts';
import type { BucketServer } from '../../../embedded/bucket/server.ts';
import type { SoakDatabase } from './database.ts';
import { SoakWorker } from './worker.ts';

/** How many seconds lie between two faults of a kind. */
const EVERY_S = { 'workers killed': 10, 'sessions ended': 5, 'requests failed': 2, 'server crashes': 60 };
type Kind = keyof typeof EVERY_S;

/** What goes wrong with requests to the bucket, in turn. */
const REQUEST_FAULTS: FaultOrder[] = [
  { operation: 'GetObject', error: { status: 503, code: 'SlowDown' } },
  { operation: 'ListObjectsV2', error: { status: 500, code: 'InternalError' } },
  { operation: 'GetObject', reset: true },
  { operation: 'GetObject', cut: 10 },
];

/** Makes things go wrong at a steady rate. The worker that it kills is its own: the others last, and their resources are measured. */
export class Disturber {
  readonly #database: SoakDatabase;
  readonly #server: BucketServer;
  readonly #env: Record<string, string>;
  readonly #counts = Object.fromEntries(Object.keys(EVERY_S).map((kind) => [kind, 0])) as Record<
    Kind,
    number
  >;
  readonly #next = Object.fromEntries(Object.keys(EVERY_S).map((kind) => [kind, 0])) as Record<Kind, number>;
  #requestFault: Fault | undefined;
  #requestFaults = 0;
  #worker: SoakWorker | undefined;

  constructor(database: SoakDatabase, server: BucketServer, env: Record<string, string>) {
    this.#database = database;
    this.#server = server;
    this.#env = env;
  }

  /** Starts its worker. The first faults come after their intervals. */
  async start(): Promise<void> {
    this.#worker = await SoakWorker.start(this.#env);
    for (const [kind, seconds] of Object.entries(EVERY_S))
      this.#next[kind as Kind] = performance.now() + seconds * 1000;
  }

  /** Makes the faults that are due. */
  async tick(): Promise<void> {
    for (const [kind, seconds] of Object.entries(EVERY_S) as [Kind, number][]) {
      if (performance.now() < this.#next[kind]) continue;
      this.#next[kind] += seconds * 1000;
      this.#counts[kind] += await this.#disturb(kind);
    }
  }

  /** Stops its worker, and fails no more requests. */
  async stop(): Promise<void> {
    this.#requestFault?.cancel();
    await this.#worker?.stop();
    this.#worker = undefined;
  }

  /** Ends its worker at once. */
  async kill(): Promise<void> {
    await this.#worker?.kill();
  }

  /** Returns the counts as text. */
  summary(): string {
    return Object.entries(this.#counts)
      .map(([kind, count]) => `${count} ${kind}`)
      .join(', ');
  }

  /** Returns how many faults it made. */
  async #disturb(kind: Kind): Promise<number> {
    if (kind === 'workers killed') return await this.#replaceWorker();
    if (kind === 'sessions ended') return await this.#endSession();
    if (kind === 'requests failed') return this.#failRequest();
    await this.#database.restart();
    return 1;
  }

  async #replaceWorker(): Promise<number> {
    await this.#worker!.kill();
    this.#worker = await SoakWorker.start(this.#env);
    return 1;
  }

  async #endSession(): Promise<number> {
    const { rowCount } = await this.#database.client.query(
      `select pg_terminate_backend(pid) from (
        select pid from pg_stat_activity where application_name like 's3_connector%' order by random() limit 1) as one`,
    );
    return rowCount ?? 0;
  }

  /** Counts the one before: this one is still to come. */
  #failRequest(): number {
    const hits = this.#requestFault?.hits ?? 0;
    this.#requestFault?.cancel();
    this.#requestFault = this.#server.faults.order(
      REQUEST_FAULTS[this.#requestFaults++ % REQUEST_FAULTS.length]!,
    );
    return hits;
  }
}
