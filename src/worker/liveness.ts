import { hostname } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { describeError } from '../errors.ts';
import { log } from '../log.ts';
import { version } from '../version.ts';

/**
 * Keeps a session open that holds this worker's advisory lock: as long as it does, the worker is alive. When the
 * connection breaks, the worker registers again under a new id; what it had under the old one may be taken over,
 * and the attempt numbers of the files keep the two apart.
 */
export class Liveness {
  readonly #databaseUrl: string;
  readonly #concurrency: number;
  #client: pg.Client | undefined;
  #workerId = 0;
  readonly #poolIds = new Set<string>();
  #closing = false;

  constructor(databaseUrl: string, concurrency: number) {
    this.#databaseUrl = databaseUrl;
    this.#concurrency = concurrency;
  }

  /** The id under which the worker stands in the view `workers`. */
  get workerId(): number {
    return this.#workerId;
  }

  async start(): Promise<void> {
    const client = new pg.Client({
      connectionString: this.#databaseUrl,
      application_name: 's3_connector worker',
      keepAlive: true,
    });
    client.on('error', (error) => this.#lost(client, error));
    client.on('end', () => this.#lost(client));
    await client.connect();
    // Waiting is this session's whole life.
    await client.query(
      "select set_config('idle_session_timeout', '0', false) where current_setting('server_version_num')::int >= 140000",
    );
    const { rows } = await client.query<{ id: number }>(
      'select s3_connector_private.register_worker($1, $2, $3, $4) as id',
      [hostname(), process.pid, version, this.#concurrency],
    );
    this.#client = client;
    this.#workerId = rows[0]!.id;
    await this.#recordQueues();
    await this.#warnOfRole(client);
  }

  async #warnOfRole(client: pg.Client): Promise<void> {
    const { rows } = await client.query<{ role: string; notice: string | null }>(
      'select role, notice from s3_connector_private.workers where id = $1',
      [this.#workerId],
    );
    const { role, notice } = rows[0]!;
    if (notice !== null) log.warn('worker has too many rights', { worker: this.#workerId, role, notice });
  }

  /** Notes a name under which graphile-worker locks this worker's jobs, so that they can be freed after its death. */
  async nameQueue(poolId: string): Promise<void> {
    if (this.#poolIds.has(poolId)) return;
    this.#poolIds.add(poolId);
    await this.#recordQueues();
  }

  async #recordQueues(): Promise<void> {
    if (this.#poolIds.size === 0) return;
    await this.#client?.query('update s3_connector_private.workers set pool_ids = $1 where id = $2', [
      [...this.#poolIds],
      this.#workerId,
    ]);
  }

  async stop(): Promise<void> {
    this.#closing = true;
    await this.#client
      ?.query('update s3_connector_private.workers set stopped_at = now() where id = $1', [this.#workerId])
      .catch(() => {});
    await this.#client?.end().catch(() => {});
  }

  #lost(client: pg.Client, error?: Error): void {
    if (this.#closing || this.#client !== client) return;
    this.#client = undefined;
    log.warn('worker session lost', { worker: this.#workerId, error: error?.message });
    void this.#reconnect();
  }

  async #reconnect(): Promise<void> {
    while (!this.#closing && this.#client === undefined) {
      try {
        await this.start();
        log.info('worker session back', { worker: this.#workerId });
      } catch (error) {
        log.warn('worker session not back yet', { error: describeError(error) });
        await delay(1000);
      }
    }
  }
}
