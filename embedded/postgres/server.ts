/** Starts a temporary PostgreSQL server. A "watchdog" process owns it, and removes it when this process ends. */
import { type ChildProcess, fork } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { PackagedMajor, Reply, Request, ServerInfo, StopMode } from './protocol.ts';

const WATCHDOG = fileURLToPath(new URL('./watchdog.ts', import.meta.url));
const LOG_TAIL_CHARACTERS = 64 * 1024;

export interface PostgresOptions {
  /** The directory of `initdb` and `postgres`, such as /usr/lib/postgresql/15/bin. Default: the npm package's. */
  binDir?: string;
  /** The npm package's major version of PostgreSQL. Default: 18. `binDir` overrides it. */
  major?: PackagedMajor;
  /** Settings as in postgresql.conf. They override the defaults. */
  settings?: Record<string, string>;
  /** Default: a free port. */
  port?: number;
  /** Survive a crash of the machine (fsync). Default: false, because the data is temporary. */
  durable?: boolean;
  /** The superuser's password. Default: a random one. */
  password?: string;
  /** Receives the server's log as it is written. */
  onLog?: (text: string) => void;
}

/** A running server. It ends, and its data is deleted, when this process ends in any way. */
export interface Postgres {
  /** The pid of the postmaster. It changes with a restart. */
  readonly pid: number;
  readonly dataDir: string;
  readonly socketDir: string;
  readonly port: number;
  /** For example `18.4`. */
  readonly version: string;
  /** The superuser's password. `url` works for other roles only if they have the same password. */
  readonly password: string;
  /** Returns a connection URL over TCP. Default user: the superuser `postgres`. */
  url(database?: string, user?: string): string;
  /** Stops the server and deletes all its files. Later calls do nothing. */
  stop(mode?: StopMode): Promise<void>;
  /** Restarts the server with the same data on the same port. */
  restart(mode?: StopMode): Promise<void>;
  /** Returns the last 64 Ki characters of the server's log. */
  logTail(): string;
}

/** Starts a server and waits until it accepts connections. If it fails, the error has the last lines of its log. */
export async function startPostgres(options: PostgresOptions = {}): Promise<Postgres> {
  const { onLog, password = randomBytes(16).toString('hex'), ...rest } = options;
  let log = '';
  const watchdog = new Watchdog((text) => {
    log = (log + text).slice(-LOG_TAIL_CHARACTERS);
    onLog?.(text);
  });
  let info: ServerInfo;
  try {
    info = await watchdog.ask({ command: 'start', options: { ...rest, password } });
  } catch (error) {
    await watchdog.end();
    throw error;
  }
  let stopped: Promise<void> | undefined;

  return {
    get pid() {
      return info.pid;
    },
    dataDir: info.dataDir,
    socketDir: info.socketDir,
    port: info.port,
    version: info.version,
    password,
    url: (database = 'postgres', user = 'postgres') =>
      `postgres://${encodeURIComponent(user)}:${password}@127.0.0.1:${info.port}/${encodeURIComponent(database)}`,
    stop: (mode = 'fast') => {
      stopped ??= watchdog
        .ask({ command: 'stop', mode })
        .finally(() => watchdog.end())
        .then(() => {});
      return stopped;
    },
    restart: async (mode = 'fast') => {
      info = await watchdog.ask({ command: 'restart', mode });
    },
    logTail: () => log,
  };
}

/** The program's side of the channel to its watchdog. It does not keep the program running while it is idle. */
class Watchdog {
  readonly #process: ChildProcess;
  readonly #exit: Promise<unknown>;
  readonly #waiting: PromiseWithResolvers<ServerInfo>[] = [];

  constructor(onLog: (text: string) => void) {
    // Variables such as PGSSLMODE would change how the watchdog connects.
    const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('PG')));
    this.#process = fork(WATCHDOG, {
      cwd: '/',
      detached: true,
      env,
      execArgv: ['--disable-warning=ExperimentalWarning'],
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    this.#process.on('message', (reply: Reply) => {
      if ('log' in reply) return onLog(reply.log);
      const asked = this.#waiting.shift();
      if ('done' in reply) asked?.resolve(reply.done);
      else asked?.reject(new Error(reply.failed));
      this.#keepRunning();
    });
    this.#exit = once(this.#process, 'exit').then(
      ([code, signal]) => this.#fail(`exit: ${signal ?? code}`),
      (error) => this.#fail(error),
    );
    this.#keepRunning();
  }

  ask(request: Request): Promise<ServerInfo> {
    const asked = Promise.withResolvers<ServerInfo>();
    this.#waiting.push(asked);
    this.#keepRunning();
    this.#process.send(request, (error) => {
      if (error) this.#fail(error.message);
    });
    return asked.promise;
  }

  async end(): Promise<void> {
    if (this.#process.connected) this.#process.disconnect();
    this.#process.ref();
    await this.#exit;
  }

  #keepRunning(): void {
    if (this.#waiting.length > 0) {
      this.#process.ref();
      this.#process.channel?.ref();
    } else {
      this.#process.unref();
      this.#process.channel?.unref();
    }
  }

  #fail(reason: string): void {
    for (const asked of this.#waiting.splice(0)) {
      asked.reject(new Error(`the process that runs PostgreSQL has ended (${reason})`));
    }
  }
}
