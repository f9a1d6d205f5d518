/** Opens sessions of PostgreSQL, one at a time or in a pool, with the settings that the program relies on. */
import pg from 'pg';
import { ConnectorError } from '../errors.ts';
import { log } from '../log.ts';
import { explainRefusal, TOO_LATE } from './refusal.ts';

/** What a session is for. Its name in `pg_stat_activity` is `s3_connector <purpose>`. */
export type Purpose =
  | 'cancel'
  | 'control'
  | 'health'
  | 'import_file'
  | 'listen'
  | 'migrate'
  | 'probe'
  | 'queue'
  | 'request'
  | 'worker';

/**
 * Settings that our code relies on. The role or the database may have others.
 * Never `default_transaction_read_only`: it protects a database, and we must not write into it.
 */
const RELIED_ON: Settings = {
  // pg parses only this style, and our SQL writes times in it.
  datestyle: 'ISO, MDY',
  // With sql_standard, '-1 2:03' in a file is another interval.
  intervalstyle: 'postgres',
  // For times in messages. An import sets its connector's time zone.
  timezone: 'UTC',
  // Floats must be read exactly.
  extra_float_digits: '1',
  // With off, a null in an array of a file becomes the text NULL.
  array_nulls: 'on',
  // Each session parses the bodies of our functions, which contain patterns with backslashes.
  standard_conforming_strings: 'on',
  // Our functions must see what was committed while they waited for a lock.
  default_transaction_isolation: 'read committed',
  // Sessions wait for work, or for a notification.
  idle_session_timeout: '0',
  // The server ends the session of a lost machine after 30 seconds. Until then the session keeps its locks.
  tcp_keepalives_idle: '10',
  tcp_keepalives_interval: '5',
  tcp_keepalives_count: '4',
};

/**
 * Limits that are meant for people's statements. Imports and requests keep them, because they run what people wrote. The
 * bookkeeping must not be stopped by them.
 */
const UNLIMITED: Settings = {
  statement_timeout: '0',
  lock_timeout: '0',
  idle_in_transaction_session_timeout: '0',
  transaction_timeout: '0',
};

/** By purpose, the settings of a session. */
const SETTINGS: Readonly<Record<Purpose, Settings>> = {
  // In a pooler that shares sessions, its settings would be another client's.
  probe: {},
  cancel: { ...RELIED_ON, ...UNLIMITED },
  control: { ...RELIED_ON, ...UNLIMITED },
  health: {},
  import_file: RELIED_ON,
  listen: { ...RELIED_ON, ...UNLIMITED },
  // Its warnings are logged.
  migrate: { ...RELIED_ON, ...UNLIMITED, client_min_messages: 'warning' },
  queue: { ...RELIED_ON, ...UNLIMITED },
  request: RELIED_ON,
  worker: { ...RELIED_ON, ...UNLIMITED },
};

type Settings = Readonly<Record<string, string>>;

/** How long opening a session may take, in milliseconds. A full pooler answers the login, and then nothing. */
const OPEN_MS = 30_000;
/** The idle time after which TCP probes the other side, in milliseconds. The system's default is two hours. */
const KEEP_ALIVE_MS = 30_000;

export type SessionOptions = pg.ClientConfig & {
  /** How long opening it may take, in milliseconds. */
  openMs?: number;
};

type SessionConfig = SessionOptions & { purpose: Purpose };

/**
 * One connection to PostgreSQL. It applies its settings before the first query, and always has a listener for errors. It
 * refuses a read-only database, because a session keeps that setting from its login.
 */
export class Session extends pg.Client {
  readonly #purpose: Purpose;
  readonly #openMs: number;
  #isOpen = false;
  #isReadOnly = false;
  #backend = 0;

  constructor(config: SessionConfig) {
    super({ ...config, keepAlive: true, keepAliveInitialDelayMillis: KEEP_ALIVE_MS });
    this.#purpose = config.purpose;
    this.#openMs = config.openMs ?? OPEN_MS;
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

  async #applySettings(): Promise<void> {
    const { rows } = await super.query<SessionState>(applySettings(this.#purpose));
    const { backend, read_only, standby } = rows[0]!;
    this.#backend = backend;
    if (read_only && this.#purpose !== 'probe') throw readOnly(standby);
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

interface SessionState {
  backend: number;
  read_only: boolean;
  standby: boolean;
}

/** Returns one statement, for one round trip. It skips settings that this version of the server does not have. */
function applySettings(purpose: Purpose): string {
  return `select pg_catalog.pg_backend_pid() as backend,
    pg_catalog.current_setting('transaction_read_only') = 'on' as read_only, pg_catalog.pg_is_in_recovery() as standby,
    (select pg_catalog.count(pg_catalog.set_config(s.name, s.value, false))
      from pg_catalog.jsonb_each_text('${JSON.stringify(SETTINGS[purpose])}') as s (name, value)
      where pg_catalog.current_setting(s.name, true) is not null) as settings`;
}

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

/** A pool of sessions. It replaces lost ones, and ends those that became read-only. */
export class SessionPool extends pg.Pool {
  constructor(databaseUrl: string, purpose: Purpose, options: Omit<pg.PoolConfig, 'Client'> = {}) {
    super({ ...sessionConfig(databaseUrl, purpose, options), Client: Session } as unknown as pg.PoolConfig);
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
    if (callback === undefined) return super.connect();
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
  return {
    ...options,
    connectionString: databaseUrl,
    application_name: `s3_connector ${purpose}`,
    purpose,
  };
}
