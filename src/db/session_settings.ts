/** The settings of sessions by their purpose, and how a session gets them back after a person's code has run on it. */

/** What a session is for. Its name in `pg_stat_activity` is `s3_connector <purpose>`. */
export type Purpose =
  | 'cancel'
  | 'console'
  | 'console live'
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
 * Where sessions of ours, and our functions in sql/, find names without a schema. No role can create objects there. A schema such
 * as public may have functions and operators that match a call better than PostgreSQL's own.
 */
export const FIXED_PATH = 'pg_catalog, pg_temp';

/** Settings that a session must have, even if its role, its database or a pooler sets others. */
const RELIED_ON: Settings = {
  search_path: FIXED_PATH,
  // A role can give itself another one for its logins.
  role: 'none',
  // pg parses UTF-8.
  client_encoding: 'UTF8',
  // pg parses only this style, and our SQL writes times in it. An import sets its owner's order of day and month.
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
  // With replica, triggers do not run: no history, no totals, no notifications. Only a superuser can change it.
  session_replication_role: 'origin',
  // With off, a policy of a target table fails the import instead of deciding about its rows.
  row_security: 'on',
  // Our functions must see what was committed while they waited for a lock.
  default_transaction_isolation: 'read committed',
  // Sessions wait for work, or for a notification.
  idle_session_timeout: '0',
  // The server ends the session of a lost machine after 30 seconds. Until then the session keeps its locks.
  tcp_keepalives_idle: '10',
  tcp_keepalives_interval: '5',
  tcp_keepalives_count: '4',
};
// Never default_transaction_read_only: it protects a database, and we must not write into it. Not lc_messages: only a superuser can
// change it. In other languages than English, an error of COPY has no line and no column.

/** Limits that are meant for people's statements. An import has its connector's import_timeout instead. */
const UNLIMITED: Settings = {
  statement_timeout: '0',
  lock_timeout: '0',
  idle_in_transaction_session_timeout: '0',
  transaction_timeout: '0',
};

/**
 * A worker keeps in memory that it is registered, what its login for imports may call, and the ids of the queue's tasks. With off,
 * a crash of the server could take that back, and the worker would not notice. A flushed commit flushes all earlier ones.
 */
const FLUSHED: Settings = { synchronous_commit: 'on' };

/** By purpose, the settings of a session. */
const SETTINGS: Readonly<Record<Purpose, Settings>> = {
  cancel: { ...RELIED_ON, ...UNLIMITED },
  console: RELIED_ON,
  'console live': RELIED_ON,
  control: { ...RELIED_ON, ...UNLIMITED },
  // Sends no query.
  health: {},
  import_file: { ...RELIED_ON, ...UNLIMITED },
  listen: { ...RELIED_ON, ...UNLIMITED },
  // Its warnings are logged.
  migrate: {
    ...RELIED_ON,
    ...UNLIMITED,
    ...FLUSHED,
    client_min_messages: 'warning',
    check_function_bodies: 'on',
  },
  // In a pooler that shares sessions, its settings would be another client's.
  probe: {},
  queue: { ...RELIED_ON, ...UNLIMITED },
  request: { ...RELIED_ON, ...UNLIMITED },
  worker: { ...RELIED_ON, ...UNLIMITED, ...FLUSHED },
};

type Settings = Readonly<Record<string, string>>;

export interface SessionState {
  backend: number;
  read_only: boolean;
  standby: boolean;
}

/**
 * Returns the first statement of a session, which sets what differs, for one round trip. It skips settings that this version of
 * the server does not have. The session may still have anybody's path, so all names in it are qualified.
 */
export function applySettings(purpose: Purpose): string {
  return `select pg_catalog.pg_backend_pid() as backend,
    pg_catalog.current_setting('transaction_read_only') operator(pg_catalog.=) 'on' as read_only,
    pg_catalog.pg_is_in_recovery() as standby,
    (select pg_catalog.count(pg_catalog.set_config(s.name, s.value, false))
      from pg_catalog.jsonb_each_text('${JSON.stringify(SETTINGS[purpose])}') as s (name, value)
      where pg_catalog.current_setting(s.name, true) operator(pg_catalog.<>) s.value) as settings`;
}

/**
 * Returns the statements that remove what a person's code can leave in a session: temporary objects, settings, a role, cursors,
 * prepared statements, locks, LISTEN, values of sequences. As `discard all`, which needs a message of its own, but it keeps plans:
 * PostgreSQL makes those again when the role or the path differs.
 */
export function cleanSession(purpose: Purpose): string {
  return `close all; set session authorization default; set role none; reset all; deallocate all; unlisten *;
    select pg_catalog.pg_advisory_unlock_all(); discard temp; discard sequences;
    set application_name to '${applicationName(purpose)}'; ${applySettings(purpose)}`;
}

export function applicationName(purpose: Purpose): string {
  return `s3_connector ${purpose}`;
}
