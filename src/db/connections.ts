import pg from 'pg';
import { ConnectorError } from '../errors.ts';
import { log } from '../log.ts';
import { explainRefusal, TOO_LATE } from './refusal.ts';

/** What a session is for; in `pg_stat_activity` it is named `s3_connector <purpose>`. */
export type Purpose =
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
 * Settings that our code relies on; a role and a database may have others.
 * `default_transaction_read_only` is never among them: it protects a database, and we must not write into it.
 */
const RELIED_ON: Settings = {
  // pg reads times in this style alone, and times in our SQL are written in it.
  datestyle: 'ISO, MDY',
  // In sql_standard a file's '-1 2:03' would be another interval.
  intervalstyle: 'postgres',
  // Times in messages. An import sets its connector's time zone.
  timezone: 'UTC',
  // A float that is read must be the one that PostgreSQL has.
  extra_float_digits: '1',
  // Off, a null within an array of a file would be the text NULL.
  array_nulls: 'on',
  // The bodies of our functions are parsed in each session; their patterns have backslashes.
  standard_conforming_strings: 'on',
  // Our functions look again at what was committed while they waited for a lock.
  default_transaction_isolation: 'read committed',
  // Sessions wait for work, or for a notification.
  idle_session_timeout: '0',
  // The server ends the session of a machine that is gone after 30 seconds: until then the session keeps its locks.
  tcp_keepalives_idle: '10',
  tcp_keepalives_interval: '5',
  tcp_keepalives_count: '4',
};

/**
 * Limits that are meant for people's statements. They hold for imports and requests, which run what people wrote. The
 * bookkeeping would be stopped by them every time.
 */
const UNLIMITED: Settings = {
  statement_timeout: '0',
  lock_timeout: '0',
  idle_in_transaction_session_timeout: '0',
  transaction_timeout: '0',
};

/** By purpose, what a session sets before anything else. */
const SETTINGS: Readonly<Record<Purpose, Settings>> = {
  // In a pooler that shares sessions, what it sets would be somebody else's.
  probe: {},
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

/** How long a session may take to be opened, in milliseconds. A pooler without a free place answers the login, and then nothing. */
const OPEN_MS = 30_000;
/** Silence after which TCP probes the other side, in milliseconds; the system's default is two hours. */
const KEEP_ALIVE_MS = 30_000;

/** What a session is opened with, besides its purpose. */
export type SessionOptions = pg.ClientConfig & {
  /** How long it may take to be opened, in milliseconds. */
  openMs?: number;
};

type SessionConfig = SessionOptions & { purpose: Purpose };

/**
 * One connection to PostgreSQL. It sets its settings before anything else is asked, and always has a listener for errors. It
 * refuses a database that takes no writes, because a session keeps that setting from its login.
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
    // An error event without a listener would end the process. What was under way fails by itself.
    this.on('error', (error) => this.#lost(error));
    this.connection.on('errorMessage', ({ code }: pg.DatabaseError) => {
      if (code === READ_ONLY) this.#isReadOnly = true;
    });
  }

  /** The process id of its backend. Behind a pooler, the answer to the login has another one. */
  get backend(): number {
    return this.#backend;
  }

  /** Whether there is no pooler in between. */
  get isDirect(): boolean {
    return this.#backend === (this as unknown as { processID: number }).processID;
  }

  /** Whether a write was refused because the database takes none. Such a session is of no more use. */
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
      await this.#settle();
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

  async #settle(): Promise<void> {
    const { rows } = await super.query<Settled>(settle(this.#purpose));
    const { backend, read_only, standby } = rows[0]!;
    this.#backend = backend;
    if (read_only && this.#purpose !== 'probe') throw takesNoWrites(standby);
  }

  #destroy(): void {
    this.connection.stream.destroy();
  }

  #lost(error: Error): void {
    if (!this.#isOpen) return;
    // Only the first error is logged: the server's reason, which the end of the connection follows.
    this.#isOpen = false;
    log.warn('connection lost', { purpose: this.#purpose, error: error.message });
  }
}

/** SQLSTATE of what is refused because it would write. */
const READ_ONLY = '25006';

interface Settled {
  backend: number;
  read_only: boolean;
  standby: boolean;
}

/** One statement, for one round trip; settings that the server does not know yet are left out. */
function settle(purpose: Purpose): string {
  return `select pg_catalog.pg_backend_pid() as backend,
    pg_catalog.current_setting('transaction_read_only') = 'on' as read_only, pg_catalog.pg_is_in_recovery() as standby,
    (select pg_catalog.count(pg_catalog.set_config(s.name, s.value, false))
      from pg_catalog.jsonb_each_text('${JSON.stringify(SETTINGS[purpose])}') as s (name, value)
      where pg_catalog.current_setting(s.name, true) is not null) as settings`;
}

/** The trouble of a session that takes no writes. */
function takesNoWrites(standby: boolean): ConnectorError {
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

/** A pool of sessions. One that is lost is replaced; one that may not write any more is not used again. */
export class SessionPool extends pg.Pool {
  constructor(databaseUrl: string, purpose: Purpose, options: Omit<pg.PoolConfig, 'Client'> = {}) {
    super({ ...sessionConfig(databaseUrl, purpose, options), Client: Session } as unknown as pg.PoolConfig);
    // The session logs it. graphile-worker wants a listener for 'connect', too.
    this.on('error', () => {});
    this.on('connect', () => {});
    this.on('release', (_error, client) => {
      // A client that is ending does not go back into its pool.
      if ((client as unknown as Session).isReadOnly) void client.end();
    });
  }
}

/** Opens a session of its own; the caller ends it. @throws ConnectorError `no_connection`, `database_read_only` */
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
