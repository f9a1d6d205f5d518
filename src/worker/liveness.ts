/** Keeps a worker "alive": it holds an advisory lock in a session. */
import { hostname } from 'node:os';
import { openSession, type Session } from '../db/connections.ts';
import { describeError } from '../errors.ts';
import { log } from '../log.ts';
import { version } from '../version.ts';
import { waitOrAbort, withinGrace } from '../waiting.ts';

/** The pause between two tries to register again, in milliseconds. */
const RETRY_MS = 1000;

/**
 * Keeps a session open that holds this worker's advisory lock. If the session is lost, the worker registers again under a new
 * id. Other workers may then take over the files of the old id; attempt ids keep the two apart.
 */
export class Liveness {
  readonly #databaseUrl: string;
  readonly #concurrency: number;
  readonly #importRole: string;
  readonly #externalId: string | null;
  #session: Session | undefined;
  #workerId = 0;
  /** Whether the session holds the lock, under the id. */
  #isAlive = false;
  #alive = Promise.withResolvers<number>();
  readonly #poolIds = new Set<string>();
  #recorded: Promise<void> = Promise.resolve();
  readonly #closing = new AbortController();
  #isReconnecting = false;
  #whenBack: () => void = () => {};

  constructor(databaseUrl: string, concurrency: number, importRole: string, externalId: string | null) {
    this.#databaseUrl = databaseUrl;
    this.#concurrency = concurrency;
    this.#importRole = importRole;
    this.#externalId = externalId;
  }

  /** The worker's id in the view `workers`: the last one, if its session is lost. */
  get workerId(): number {
    return this.#workerId;
  }

  /**
   * Returns the id under which the worker is alive, and waits for it if the session is lost. What a job begins under another id
   * belongs to a dead worker: its caller gets that as an error, and others take its file over.
   * @throws the signal's reason
   */
  async aliveId(signal: AbortSignal): Promise<number> {
    return await withinGrace(signal, 0, this.#alive.promise);
  }

  /** The role that its imports log in as. */
  get importRole(): string {
    return this.#importRole;
  }

  /** The names with which graphile-worker locks this worker's jobs. */
  get poolIds(): string[] {
    return [...this.#poolIds];
  }

  /** Sets what is called after a lost session was replaced. The server may have lost commits meanwhile. */
  onBack(call: () => void): void {
    this.#whenBack = call;
  }

  async start(): Promise<void> {
    const session = await openSession(this.#databaseUrl, 'worker');
    try {
      const { rows } = await session.query<{ id: number }>(
        'select s3_connector_private.register_worker($1, $2, $3, $4, $5, $6) as id',
        [hostname(), process.pid, version, this.#concurrency, this.#importRole, this.#externalId],
      );
      await warnOfRole(session, rows[0]!.id);
      this.#closing.signal.throwIfAborted();
      session.once('end', () => this.#lost(session));
      this.#session = session;
      this.#workerId = rows[0]!.id;
      await this.#recordQueues();
      if (this.#session !== session) return;
      this.#isAlive = true;
      this.#alive.resolve(this.#workerId);
    } catch (error) {
      await session.end();
      throw error;
    }
  }

  /** Records a name with which graphile-worker locks this worker's jobs, so that they can be freed after its death. */
  async nameQueue(poolId: string): Promise<void> {
    this.#poolIds.add(poolId);
    await this.#recordQueues();
  }

  /** Writes the names, one query at a time, because a session runs only one. */
  #recordQueues(): Promise<void> {
    const recorded = this.#recorded.then(() => this.#writeQueues());
    this.#recorded = recorded.catch(() => {});
    return recorded;
  }

  async #writeQueues(): Promise<void> {
    if (this.#poolIds.size === 0) return;
    await this.#session?.query('update s3_connector_private.workers set pool_ids = $1 where id = $2', [
      this.poolIds,
      this.#workerId,
    ]);
  }

  async stop(): Promise<void> {
    this.#closing.abort();
    await this.#recorded;
    await this.#session
      ?.query('update s3_connector_private.workers set stopped_at = now() where id = $1', [this.#workerId])
      .catch(() => {});
    await this.#session?.end();
  }

  #lost(session: Session): void {
    if (this.#session === session) {
      this.#session = undefined;
      // Who waits already goes on waiting.
      if (this.#isAlive) this.#alive = Promise.withResolvers();
      this.#isAlive = false;
    }
    if (this.#closing.signal.aborted) return;
    log.warn('worker session lost', { worker: this.#workerId });
    void this.#reconnect();
  }

  async #reconnect(): Promise<void> {
    if (this.#isReconnecting) return;
    this.#isReconnecting = true;
    const { signal } = this.#closing;
    while (!signal.aborted && this.#session === undefined) {
      try {
        await this.start();
        log.info('worker session back', { worker: this.#workerId });
        this.#whenBack();
      } catch (error) {
        log.warn('worker session not back yet', { error: describeError(error) });
        await waitOrAbort(RETRY_MS, signal);
      }
    }
    this.#isReconnecting = false;
  }
}

async function warnOfRole(session: Session, workerId: number): Promise<void> {
  const { rows } = await session.query<{ import_role: string; notice: string | null }>(
    'select import_role, notice from s3_connector_private.workers where id = $1',
    [workerId],
  );
  const { import_role: role, notice } = rows[0]!;
  if (notice !== null) log.warn('imports have too many rights', { worker: workerId, role, notice });
}
