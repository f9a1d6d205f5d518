/** Opens sessions of PostgreSQL, one at a time or in a pool, with the settings that the program relies on. */
import pg from 'pg';
import { ConnectorError, describeError } from '../errors.ts';
import { log } from '../log.ts';
import { type Host, type Hosts, hostsOf } from './hosts.ts';
import { limitMessages } from './message_limit.ts';
import { explainRefusal, TOO_LATE } from './refusal.ts';
import {
  applicationName,
  applySettings,
  cleanSession,
  type Purpose,
  type SessionState,
} from './session_settings.ts';

/** Sessions that are of use in a read-only database. */
const READS_ONLY: readonly Purpose[] = ['console', 'console live', 'probe'];
/** Sessions on which code of connectors' owners runs. */
const RUNS_OWNERS_CODE: readonly Purpose[] = ['import_file', 'request'];

/** How long opening a session may take, in milliseconds. A full pooler answers the login, and then nothing. */
const OPEN_MS = 30_000;
/** The idle time after which TCP probes the other side, in milliseconds. The system's default is two hours. */
const KEEP_ALIVE_MS = 30_000;

export type SessionOptions = pg.ClientConfig & {
  /** How long opening it may take, in milliseconds. */
  openMs?: number;
};

type SessionConfig = SessionOptions & {
  purpose: Purpose;
  /** Of a URL with several. */
  hosts?: Hosts | undefined;
};

/**
 * One connection to PostgreSQL. It applies its settings before the first query, and always has a listener for errors. It
 * refuses a read-only database, because a session keeps that setting from its login.
 */
export class Session extends pg.Client {
  readonly #purpose: Purpose;
  readonly #openMs: number;
  readonly #hosts: Hosts | undefined;
  #isOpen = false;
  #isReadOnly = false;
  #backend = 0;

  constructor(config: SessionConfig) {
    super({ ...config, keepAlive: true, keepAliveInitialDelayMillis: KEEP_ALIVE_MS });
    limitMessages(this.connection);
    this.#purpose = config.purpose;
    this.#openMs = config.openMs ?? OPEN_MS;
    this.#hosts = config.hosts;
    // An error event without a listener would end the process. Running queries fail by themselves.
    this.on('error', (error) => this.#lost(error));
    this.connection.on('errorMessage', ({ code }: pg.DatabaseError) => {
      if (code === READ_ONLY) this.#isReadOnly = true;
    });
  }

  /** The process id of its backend, queried because a pooler sends another one at login. */
  get backend(): number {
    return this.#backend;
  }

  /** Whether there is no pooler in between. */
  get isDirect(): boolean {
    return this.#backend === (this as unknown as { processID: number }).processID;
  }

  /** Whether a write was refused because the database is read-only. Such a session is not used again. */
  get isReadOnly(): boolean {
    return this.#isReadOnly;
  }

  override connect(): Promise<pg.Client>;
  override connect(callback: ((error: Error) => void) | ((error: null, client: pg.Client) => void)): void;
  override connect(callback?: unknown): Promise<pg.Client> | undefined {
    const opened = this.#open();
    if (typeof callback !== 'function') return opened;
    // pg.Pool calls it in this form.
    opened.then(
      () => callback(null, this),
      (error) => callback(error),
    );
    return undefined;
  }

  async #open(): Promise<this> {
    const late = Object.assign(new Error(`no session within ${this.#openMs / 1000} s`), { code: TOO_LATE });
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      this.#destroy();
    }, this.#openMs);
    try {
      if (this.#hosts) this.#goTo(await this.#hosts.choose(this.#openMs));
      if (isLate) throw late;
      await super.connect();
      await this.#applySettings();
      this.#isOpen = true;
      return this;
    } catch (error) {
      if (error instanceof ConnectorError) await this.end();
      else this.#destroy();
      throw isLate ? late : error;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Replaces the host that it was made with. */
  #goTo({ host, port }: Host): void {
    Object.assign(this, { host, port });
    Object.assign((this as unknown as { connectionParameters: object }).connectionParameters, { host, port });
  }

  async #applySettings(): Promise<void> {
    const { rows } = await super.query<SessionState>(applySettings(this.#purpose));
    const { backend, read_only, standby } = rows[0]!;
    this.#backend = backend;
    if (read_only && !READS_ONLY.includes(this.#purpose)) throw readOnly(standby);
  }

  /** Removes what a person's code has left in it. It must not be in a transaction. */
  async clean(): Promise<void> {
    await super.query(cleanSession(this.#purpose));
  }

  #destroy(): void {
    this.connection.stream.destroy();
  }

  #lost(error: Error): void {
    if (!this.#isOpen) return;
    // Only the first error is logged: it is the server's reason, and the end of the connection follows.
    this.#isOpen = false;
    log.warn('connection lost', { purpose: this.#purpose, error: error.message });
  }
}

/** The SQLSTATE of a write that a read-only database refuses. */
const READ_ONLY = '25006';

function readOnly(standby: boolean): ConnectorError {
  return new ConnectorError(
    'database_read_only',
    standby
      ? 'the database is read-only: the server is a standby'
      : 'the database is read-only: default_transaction_read_only is on',
    {
      passing: true,
      hint: standby
        ? 'Name the primary in DATABASE_URL, or wait until the server is promoted.'
        : 'Turn it off. A managed service turns it on when the disk is full: then free space first.',
    },
  );
}

/**
 * A pool of sessions. It replaces lost ones, and ends those that became read-only. A session on which owners' code runs is cleaned
 * before it is used again; if that fails, it is ended.
 */
export class SessionPool extends pg.Pool {
  readonly #purpose: Purpose;

  constructor(databaseUrl: string, purpose: Purpose, options: Omit<pg.PoolConfig, 'Client'> = {}) {
    super({ ...sessionConfig(databaseUrl, purpose, options), Client: Session } as unknown as pg.PoolConfig);
    this.#purpose = purpose;
    // The session logs errors. graphile-worker requires a listener for 'connect', too.
    this.on('error', () => {});
    this.on('connect', () => {});
    this.on('release', (_error, client) => {
      // An ending client does not go back into its pool.
      if ((client as unknown as Session).isReadOnly) void client.end();
    });
  }

  override connect(): Promise<pg.PoolClient>;
  override connect(callback: OnSession): void;
  override connect(callback?: OnSession): Promise<pg.PoolClient> | undefined {
    if (callback === undefined) {
      const opened = super.connect();
      return RUNS_OWNERS_CODE.includes(this.#purpose) ? opened.then(cleanOnRelease) : opened;
    }
    // graphile-worker releases the session that it listens with twice when it is lost while it starts to listen. The pool
    // throws then, and nobody catches it.
    super.connect((error, client, release) => {
      let released = false;
      callback(error, client, (reason) => {
        if (!released) release(reason);
        released = true;
      });
    });
    return undefined;
  }
}

/** Makes a session clean itself when it is released. Only the next import that needs the session waits for that. */
function cleanOnRelease(client: pg.PoolClient): pg.PoolClient {
  const release = client.release;
  client.release = (broken) => {
    if (broken) return release(broken);
    (client as unknown as Session).clean().then(
      () => release(),
      (error) => {
        log.warn('session not cleaned, ending it', { error: describeError(error) });
        release(error);
      },
    );
  };
  return client;
}

type OnSession = (
  error: Error | undefined,
  client: pg.PoolClient | undefined,
  release: (reason?: unknown) => void,
) => void;

/**
 * Opens a session, which the caller ends.
 * @throws ConnectorError `no_connection`, `database_read_only`
 */
export async function openSession(
  databaseUrl: string,
  purpose: Purpose,
  options: SessionOptions = {},
): Promise<Session> {
  const session = new Session(sessionConfig(databaseUrl, purpose, options));
  await session.connect().catch((error) => {
    throw error instanceof ConnectorError ? error : explainRefusal(error);
  });
  return session;
}

function sessionConfig<Options>(databaseUrl: string, purpose: Purpose, options: Options) {
  const hosts = hostsOf(databaseUrl);
  return {
    ...options,
    hosts,
    connectionString: hosts?.firstUrl ?? databaseUrl,
    application_name: applicationName(purpose),
    purpose,
  };
}
