/** A "cluster": a data directory and the PostgreSQL server on it. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import pg from 'pg';
import { type Binaries, findBinaries } from './binaries.ts';
import { handOver, isReachable, serverIdentity } from './identity.ts';
import { freePort } from './ports.ts';
import type { StartOptions, StopMode } from './protocol.ts';

const run = promisify(execFile);

const READY_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 30_000;
const PORT_ATTEMPTS = 5;
// The path of a socket can have 104 bytes on macOS and 108 on Linux.
const SOCKET_PATH_BYTES = 100;
const SIGNALS: Record<StopMode, NodeJS.Signals> = { fast: 'SIGINT', immediate: 'SIGQUIT' };

/** Only the watchdog process makes, uses and removes it. */
export class Cluster {
  readonly directory: string;
  readonly dataDir: string;
  readonly socketDir: string;
  port = 0;
  readonly #options: StartOptions;
  readonly #onLog: (text: string) => void;
  #binaries: Binaries | undefined;
  #server: ChildProcess | undefined;
  /** Resolves when the server and all its child processes have ended: they share the pipe of its log. */
  #ended: Promise<unknown> = Promise.resolve();

  private constructor(directory: string, options: StartOptions, onLog: (text: string) => void) {
    this.directory = directory;
    this.dataDir = join(directory, 'data');
    this.socketDir = join(directory, 'socket');
    this.#options = options;
    this.#onLog = onLog;
  }

  /** Makes the directory for all files of the cluster. `remove` deletes it. */
  static async make(options: StartOptions, onLog: (text: string) => void): Promise<Cluster> {
    const directory = await mkdtemp(join(await scratchRoot(), 'pg-embedded-'));
    const cluster = new Cluster(directory, options, onLog);
    await mkdir(cluster.socketDir, { mode: 0o700 });
    await handOver(directory);
    return cluster;
  }

  get version(): string {
    return this.#binaries?.version ?? '';
  }

  get pid(): number {
    return this.#server?.pid ?? 0;
  }

  /** Initializes the data directory. */
  async initialize(): Promise<void> {
    this.#binaries = await findBinaries(this.#options, this.directory);
    const { initdb, major } = this.#binaries;
    const passwordFile = join(this.directory, 'password');
    await writeFile(passwordFile, this.#options.password, { mode: 0o600 });
    await handOver(passwordFile);
    // The C library of macOS has no C.UTF-8.
    const locale = process.platform === 'darwin' ? 'C' : 'C.UTF-8';
    const args = [
      `--pgdata=${this.dataDir}`,
      '--username=postgres',
      `--pwfile=${passwordFile}`,
      '--auth=scram-sha-256',
      '--encoding=UTF8',
      `--locale=${locale}`,
      ...(major >= 17 ? ['--locale-provider=builtin', '--builtin-locale=C.UTF-8'] : []),
      ...(this.#options.durable ? [] : ['--no-sync']),
    ];
    await run(initdb, args, { ...serverIdentity, cwd: '/', env: serverEnv() }).catch((error) => {
      throw new Error(`initdb failed:\n${error.stderr || error.message}`, { cause: error });
    });
    await rm(passwordFile);
    await appendFile(join(this.dataDir, 'postgresql.conf'), this.#settings());
  }

  /** Starts the server and waits until it accepts connections. The first start chooses a free port; later ones reuse it. */
  async start(): Promise<void> {
    if (this.port || this.#options.port) {
      this.port ||= this.#options.port ?? 0;
      return this.#startOn(this.port);
    }
    for (let attempt = 1; ; attempt++) {
      const port = await freePort();
      try {
        await this.#startOn(port);
        this.port = port;
        return;
      } catch (error) {
        // Another program may have taken the port since it was checked.
        const taken = error instanceof StartError && error.log.includes('could not bind');
        if (!taken || attempt === PORT_ATTEMPTS) throw error;
      }
    }
  }

  /** Stops the server. Does nothing if it has ended. */
  async stop(mode: StopMode): Promise<void> {
    for (const signal of [SIGNALS[mode], 'SIGQUIT', 'SIGKILL'] as const) {
      this.#server?.kill(signal);
      const timeout = new AbortController();
      await Promise.race([
        this.#ended,
        delay(STOP_TIMEOUT_MS, undefined, { signal: timeout.signal }).catch(() => {}),
      ]);
      timeout.abort();
      if (!this.#server) return;
    }
  }

  /** Deletes all files of the cluster. */
  async remove(): Promise<void> {
    await rm(this.directory, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  }

  async #startOn(port: number): Promise<void> {
    if (!this.#binaries) throw new Error('the data directory is not initialized');
    let log = '';
    let outcome = '';
    const server = spawn(this.#binaries.postgres, ['-D', this.dataDir, '-p', String(port)], {
      ...serverIdentity,
      cwd: '/',
      env: serverEnv(),
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    server.stderr.setEncoding('utf8').on('data', (text: string) => {
      log = (log + text).slice(-16_384);
      this.#onLog(text);
    });
    this.#server = server;
    server.once('error', (error) => {
      outcome = error.message;
    });
    this.#ended = once(server, 'close')
      .then(
        ([code, signal]) => {
          outcome = `it ended with ${signal ?? `exit code ${code}`}`;
        },
        () => {},
      )
      .then(() => {
        this.#server = undefined;
      });
    try {
      await this.#ready(port);
    } catch (error) {
      const why = this.#server ? `it accepts no connections, ${(error as Error).message}` : outcome;
      await this.stop('immediate');
      throw new StartError(`PostgreSQL ${this.version} did not start on port ${port}: ${why}`, log, error);
    }
  }

  async #ready(port: number): Promise<void> {
    const deadline = Date.now() + READY_TIMEOUT_MS;
    while (this.#server) {
      const client = new pg.Client({
        // Not over TCP: if another server has taken the port, that one would answer.
        host: this.socketDir,
        port,
        user: 'postgres',
        password: this.#options.password,
        database: 'postgres',
        connectionTimeoutMillis: READY_TIMEOUT_MS,
      });
      client.on('error', () => {});
      try {
        await client.connect();
        await client.end();
        return;
      } catch (error) {
        if (Date.now() > deadline || !isStartingUp(error)) throw error;
      }
      await Promise.race([this.#ended, delay(10)]);
    }
    throw new Error('the server has ended');
  }

  #settings(): string {
    const settings: Record<string, string> = {
      listen_addresses: '127.0.0.1',
      max_connections: '400',
      shared_buffers: '256MB',
      max_wal_size: '4GB',
      autovacuum: 'on',
      ...(this.#options.durable ? {} : { fsync: 'off', full_page_writes: 'off' }),
      ...(this.#binaries?.hasTimescaledb
        ? {
            shared_preload_libraries: 'timescaledb',
            'timescaledb.telemetry_level': 'off',
            // TimescaleDB needs a launcher, and a scheduler and job workers for each database.
            max_worker_processes: '32',
          }
        : {}),
      ...this.#options.settings,
      unix_socket_directories: this.socketDir,
    };
    const lines = Object.entries(settings).map(
      ([name, value]) => `${name} = '${value.replaceAll(/['\\]/g, '$&$&')}'`,
    );
    return `\n${lines.join('\n')}\n`;
  }
}

/** The server ran, but did not accept connections. */
class StartError extends Error {
  readonly log: string;

  constructor(message: string, log: string, cause: unknown) {
    super(`${message}. The last lines of its log:\n${log.split('\n').slice(-30).join('\n')}`, { cause });
    this.log = log;
  }
}

function isStartingUp(error: unknown): boolean {
  const code = (error as { code?: string }).code ?? '';
  // 57P03: cannot_connect_now. The empty code is pg's "Connection terminated unexpectedly".
  return ['ENOENT', 'ECONNREFUSED', 'ECONNRESET', 'EPIPE', '57P03', ''].includes(code);
}

/** Returns a minimal environment, without variables such as LC_ALL and PGOPTIONS that change how the server runs. */
function serverEnv(): NodeJS.ProcessEnv {
  const { PATH, LD_LIBRARY_PATH } = process.env;
  return { PATH, TZ: 'UTC', ...(LD_LIBRARY_PATH ? { LD_LIBRARY_PATH } : {}) };
}

/** Returns a directory for temporary files that the server's user can enter. Its path is short enough for a socket. */
async function scratchRoot(): Promise<string> {
  const socketPath = '/pg-embedded-XXXXXX/socket/.s.PGSQL.65535';
  for (const root of [tmpdir(), '/tmp']) {
    if (Buffer.byteLength(root + socketPath) < SOCKET_PATH_BYTES && (await isReachable(root))) return root;
  }
  throw new Error(
    `expected a temporary directory that every user can enter, got ${tmpdir()} and /tmp. Set TMPDIR`,
  );
}
