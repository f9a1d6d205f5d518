/** What all histories share: a server, a bucket, a queue of events and two workers, which may be killed, restarted and restored. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { type BucketServer, startBucketServer } from '../../embedded/bucket/server.ts';
import type { Postgres } from '../../embedded/postgres/server.ts';
import { type SqsServer, startSqsServer } from '../../embedded/sqs/server.ts';
import { ownServer } from '../faults/own_server.ts';
import { findPrograms } from '../restore/programs.ts';
import { type TestDatabase, testDatabase } from '../support/database.ts';
import { spawnWorkerProcess, type WorkerEnd, type WorkerProcess } from '../support/worker.ts';
import { Gate } from './gate.ts';
import { type Mutant, mutateDatabase, mutatedEnv } from './mutants.ts';
import { type Oracle, openOracle } from './oracle.ts';
import { trace } from './trace.ts';

export const BUCKET = 'histories';
const CREDENTIALS = { accessKeyId: 'reader', secretAccessKey: 'reader-secret' };
const WORKERS = 2;
/** Few for the histories that run side by side, so that files wait and are imported as bundles. */
const PLACES = 2;
/** How many files all workers import at the same time. */
export const ALL_PLACES = WORKERS * PLACES;
const run = promisify(execFile);
/** How often the workers' scheduled tasks run, and retries become due, in milliseconds. */
const TICK_MS = 250;
/** How much of a worker's log is shown after a failure, in characters. */
const LOG_LENGTH = 4000;

export interface HistoriesWorld {
  readonly db: TestDatabase;
  readonly server: BucketServer;
  readonly queue: SqsServer;
  readonly oracle: Oracle;
  /** A call that kills or restarts something has the gate alone; a call that must not be interrupted shares it. */
  readonly gate: Gate;
  /** How often each of the expensive events happened. */
  readonly counts: Record<'kills' | 'restarts' | 'copies' | 'dumps' | 'faults', number>;
  /** Whether fault points are on: then a call of a worker may fail for no reason, and an import may begin again at any time. */
  readonly hasFaults: boolean;
  /** Runs a statement as a role that owns no connector. */
  asAnother(text: string, values: unknown[]): Promise<void>;
  /** Kills the worker that runs the file, or any, and starts another. The caller has the gate alone. */
  kill(workerId?: number): Promise<void>;
  /** Crashes or restarts the server. The caller has the gate alone. */
  restart(mode: 'immediate' | 'fast'): Promise<void>;
  /** Goes on in a dump or a copy of the database, in which the connectors that ran are resumed. The caller has the gate alone. */
  restore(): Promise<void>;
  /** Returns the fault points that workers have reached; none without faults. */
  reached(): Promise<Set<string>>;
  /** Returns the last lines of each worker that runs, or has ended by itself: what a history that fails may need. */
  lastLogs(): string;
  /** Ends the workers, and fails if one of them has not survived. */
  close(): Promise<void>;
}

/** Faults at the workers' fault points: their seed, and how many of a thousand passages go wrong. */
export interface Faults {
  seed: number;
  rate: number;
}

export interface HistoriesOptions {
  /** How many histories run side by side. Each lane has a queue of events. */
  lanes: number;
  /** Default: only what the histories do goes wrong. */
  faults?: Faults | undefined;
  /** Whether `restore` takes a dump, on an installed PostgreSQL that has pg_dump, if there is one. Otherwise it copies the database. */
  dumps?: boolean;
  mutant?: Mutant | undefined;
}

export async function openHistories({
  lanes,
  faults,
  dumps,
  mutant,
}: HistoriesOptions): Promise<HistoriesWorld> {
  const programs = dumps ? await findPrograms() : undefined;
  const postgres = await ownServer(
    { autovacuum_naptime: '1d' },
    programs === undefined ? {} : { binDir: programs },
  );
  const oracle = await openOracle(await testDatabase({ empty: true }));
  const server = await startBucketServer({ credentials: [CREDENTIALS] });
  const queue = await startSqsServer();
  const spoolDir = await mkdtemp(join(tmpdir(), 's3-connector-histories-'));
  await chmod(spoolDir, 0o711);
  server.store.createBucket(BUCKET);
  const world = new World({ postgres, programs, oracle, server, queue, spoolDir, faults, mutant });
  after(async () => {
    await world.end();
    await Promise.all([server.close(), queue.close()]);
    await rm(spoolDir, { recursive: true, force: true, maxRetries: 40, retryDelay: 100 });
  });
  await world.begin(lanes);
  return world;
}

interface Parts {
  postgres: Postgres;
  oracle: Oracle;
  server: BucketServer;
  queue: SqsServer;
  /** The directory of pg_dump and pg_restore. */
  programs: string | undefined;
  spoolDir: string;
  faults: Faults | undefined;
  mutant: Mutant | undefined;
}

class World implements HistoriesWorld {
  readonly #parts: Parts;
  readonly gate = new Gate();
  readonly counts = { kills: 0, restarts: 0, copies: 0, dumps: 0, faults: 0 };
  #db!: TestDatabase;
  #workers: WorkerProcess[] = [];
  #spawned = 0;
  #died = '';
  #isOver = false;
  #ticking: Promise<void> | undefined;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  get hasFaults(): boolean {
    return this.#parts.faults !== undefined;
  }

  get db(): TestDatabase {
    return this.#db;
  }

  get server(): BucketServer {
    return this.#parts.server;
  }

  get queue(): SqsServer {
    return this.#parts.queue;
  }

  get oracle(): Oracle {
    return this.#parts.oracle;
  }

  async begin(lanes: number): Promise<void> {
    this.#db = await testDatabase({ server: this.#parts.postgres });
    if (this.#parts.mutant) await mutateDatabase(this.#db, this.#parts.mutant);
    // Workers look for new queues every few seconds. So each queue has a connector from the beginning.
    for (let lane = 0; lane < lanes; lane++) {
      await this.#db.query(
        `insert into s3_connector.connectors (name, bucket, endpoint, pattern, file_format, target_table, schedule, event_queue_url)
        values ($1, $2, $3, $1 || '/*', 'csv', $1, '0 0 1 1 *', $4)`,
        [`lane_${lane}`, BUCKET, this.server.endpoint, this.queue.urlOf(`lane-${lane}`)],
      );
    }
    await this.#startWorkers();
    this.#ticking = this.#tick();
  }

  async asAnother(text: string, values: unknown[]): Promise<void> {
    const client = await this.#db.connectSuperuser();
    try {
      await client.query(text, values);
    } finally {
      await client.end();
    }
  }

  async kill(workerId?: number): Promise<void> {
    this.counts.kills += 1;
    const at = workerId === undefined ? this.counts.kills % WORKERS : await this.#indexOf(workerId);
    const victim = this.#workers[at]!;
    const next = this.#spawn();
    this.#workers[at] = next;
    await victim.end('SIGKILL');
    await this.#untilAlive();
    // As after the visibility timeout.
    this.queue.redeliver();
  }

  async restart(mode: 'immediate' | 'fast'): Promise<void> {
    this.counts.restarts += 1;
    await this.#parts.postgres.restart(mode);
    // The sessions of the pool notice it one by one.
    for (;;) {
      const works = await Promise.all(
        Array.from({ length: 8 }, () =>
          this.#db.query('select pg_sleep(0.01)').then(
            () => true,
            () => false,
          ),
        ),
      );
      if (works.every(Boolean)) break;
    }
    await this.#untilAlive();
  }

  async restore(): Promise<void> {
    const before = this.#db;
    await Promise.all(this.#workers.splice(0).map((worker) => worker.end('SIGKILL')));
    const running = await before.query<{ name: string }>(
      "select name from s3_connector.connectors where state = 'running' order by name",
    );
    this.#db = await this.#restoreInto(before);
    await before.drop();
    // PostgreSQL logs the next values of a sequence in advance, but not again in a copy: after a crash they would be used twice.
    await this.#db.asSuperuser('checkpoint');
    await this.#startWorkers();
    // A resume pauses all of them first, and then resumes the one.
    for (const [i, { name }] of running.entries()) {
      if (i > 0) await this.#assertPausedInCopy(name);
      await this.#db.query('select s3_connector.resume($1)', [name]);
    }
    assert.deepEqual(await this.#db.query('select * from s3_connector_private.wrong_totals()'), []);
    this.queue.redeliver();
  }

  async reached(): Promise<Set<string>> {
    const text = await readFile(this.#faultLog, 'utf8').catch(() => '');
    return new Set(text.split('\n').filter(Boolean));
  }

  lastLogs(): string {
    const logs = this.#workers.map(
      ({ pid, output }) => `worker with pid ${pid}:\n${output.slice(-LOG_LENGTH)}`,
    );
    return [this.#died, ...logs].filter(Boolean).join('\n');
  }

  async close(): Promise<void> {
    // Before it is ready, a worker does not handle signals.
    if (!this.hasFaults) await Promise.all(this.#workers.map((worker) => worker.logged('ready')));
    const ends = await Promise.all(this.#workers.splice(0).map((worker) => worker.end('SIGTERM')));
    if (!this.hasFaults)
      assert.deepEqual(
        ends.map(({ code }) => code),
        Array(WORKERS).fill(0),
      );
    assert.deepEqual(await this.#db.query('select * from s3_connector_private.wrong_totals()'), []);
    await this.end();
  }

  async end(): Promise<void> {
    this.#isOver = true;
    await Promise.all([this.#ticking, ...this.#workers.map((worker) => worker.end('SIGKILL'))]);
  }

  async #restoreInto(before: TestDatabase): Promise<TestDatabase> {
    const { postgres, programs, spoolDir } = this.#parts;
    if (programs === undefined) {
      this.counts.copies += 1;
      return await testDatabase({ server: postgres, copyOf: before });
    }
    this.counts.dumps += 1;
    const restored = await testDatabase({ server: postgres, empty: true });
    const dump = join(spoolDir, 'dump');
    await run(join(programs, 'pg_dump'), ['-Fc', '-f', dump, before.superuserUrl]);
    await run(join(programs, 'pg_restore'), ['--exit-on-error', '-d', restored.superuserUrl, dump]);
    await rm(dump);
    return restored;
  }

  get #faultLog(): string {
    return join(this.#parts.spoolDir, 'reached');
  }

  async #assertPausedInCopy(name: string): Promise<void> {
    assert.deepEqual(
      await this.#db.query(
        'select state, copy_notice is not null as noticed from s3_connector.connectors join s3_connector_private.progress on connector_name = name where name = $1',
        [name],
      ),
      [{ state: 'paused', noticed: true }],
      'a connector runs in a copy of its database',
    );
  }

  async #indexOf(workerId: number): Promise<number> {
    const { pid } = await this.#db.one<{ pid: number }>(
      'select pid from s3_connector.workers where id = $1',
      [workerId],
    );
    return this.#workers.findIndex((worker) => worker.pid === pid);
  }

  async #startWorkers(): Promise<void> {
    this.#workers = Array.from({ length: WORKERS }, () => this.#spawn());
    await this.#untilAlive();
  }

  /** Waits until the workers have their sessions again, without which they answer nobody. */
  async #untilAlive(): Promise<void> {
    await this.#db.waitFor<{ pid: number }>('select pid from s3_connector.workers where alive', (alive) => {
      assert.equal(this.#died, '');
      // One that was killed may seem alive for a moment.
      return this.#workers.every(({ pid }) => alive.some((row) => row.pid === pid));
    });
  }

  #spawn(): WorkerProcess {
    const { server, queue, spoolDir, faults, mutant } = this.#parts;
    this.#spawned += 1;
    const seed = faults && `${faults.seed}.${this.#spawned}`;
    const worker = spawnWorkerProcess({
      DATABASE_URL: this.#db.workerUrl,
      IMPORT_DATABASE_URL: this.#db.importUrl,
      SPOOL_DIR: spoolDir,
      S3_ALLOWED_ENDPOINTS: `${server.endpoint},${queue.endpoint}`,
      AWS_ACCESS_KEY_ID: CREDENTIALS.accessKeyId,
      AWS_SECRET_ACCESS_KEY: CREDENTIALS.secretAccessKey,
      AWS_REGION: 'us-east-1',
      WORKER_CONCURRENCY: String(PLACES),
      // Files of a hundred rows are large.
      ENCODE_CSV_FROM_BYTES: '1000',
      ...(faults && { FAULT_SEED: seed!, FAULT_RATE: String(faults.rate), FAULT_LOG: this.#faultLog }),
      ...(mutant && mutatedEnv(mutant)),
    });
    void worker.ended().then((end) => {
      trace(worker.output);
      this.#note(worker, end);
    });
    return worker;
  }

  /** Starts another worker for one that a fault has killed; any other end is one of the worker's own. */
  #note(worker: WorkerProcess, { code, signal }: WorkerEnd): void {
    const at = this.#workers.indexOf(worker);
    if (at === -1 || this.#isOver) return;
    if (!this.hasFaults || signal !== 'SIGKILL') {
      this.#died = `a worker has ended with ${code ?? signal}:\n${worker.output.slice(-LOG_LENGTH)}`;
      trace(this.#died);
      return;
    }
    this.counts.faults += 1;
    this.#workers[at] = this.#spawn();
    this.queue.redeliver();
  }

  /** Runs the scheduled tasks of workers, and makes every retry due at once. */
  async #tick(): Promise<void> {
    while (!this.#isOver) {
      await this.#db
        .query(
          `select s3_connector_private.rescue_files();
          update s3_connector_private.outages set next_try_at = now();
          select s3_connector_queue.add_job('poll_due', job_key => 'poll_due');
          select s3_connector_queue.reschedule_jobs(array(select id from s3_connector_queue.jobs where run_at > now()), now())`,
        )
        // The server may be away.
        .catch(() => {});
      // What a fault has kept in the queue.
      if (this.hasFaults) this.queue.redeliver();
      await delay(TICK_MS);
    }
  }
}
