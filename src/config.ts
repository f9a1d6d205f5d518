import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConnectorError } from './errors.ts';
import { LOG_FORMATS, LOG_LEVELS, type LogSettings } from './log.ts';

/** What a worker is told from outside: environment variables, or the file `.env`. */
export interface Config {
  databaseUrl: string;
  /** Imports side by side in this process. */
  concurrency: number;
  /** Directory for files on their way; each worker makes one of its own below it. */
  spoolDir: string;
  /** Endpoints that connectors may name, as origins (`https://host:port`). */
  allowedEndpoints: readonly string[];
  /** What roles are assumed with, `<PROJECT_ID>/<SERVICE_ID>`; null where either is not set. */
  externalId: string | null;
  /** How long the source may keep a worker waiting. */
  timeouts: Timeouts;
  /** How long running imports may take to finish after SIGTERM, in milliseconds; then they roll back. */
  graceMs: number;
  /** CSV files from so many bytes on, as they are fetched, are encoded before PostgreSQL gets them. */
  encodeCsvFromBytes: number;
  /** Where `/metrics` and `/healthz` are served; null: nowhere. */
  metrics: { host: string; port: number } | null;
  /** How long a process that reads Parquet may make no progress, in milliseconds. */
  readerStallMs: number;
}

/** Limits in milliseconds. */
export interface Timeouts {
  /** Until a connection stands. */
  connectMs: number;
  /** Without a byte, on a connection that stands. */
  idleMs: number;
  /** For one object of up to 1 GiB, whatever comes meanwhile; larger ones have as much more as they are larger. */
  fetchMs: number;
}

/** Below this a thread costs more than it saves. */
const ENCODE_CSV_FROM_BYTES = 1 << 20;

/** @throws ConnectorError `no_database_url`, `bad_setting` */
export function readConfig(env: NodeJS.ProcessEnv = process.env): Config {
  return {
    databaseUrl: requireDatabaseUrl(env),
    concurrency: readInteger(env, 'WORKER_CONCURRENCY', 4, 1, 100),
    spoolDir: env.SPOOL_DIR || join(tmpdir(), 'pg-s3-connector'),
    allowedEndpoints: readEndpoints(env),
    externalId: readExternalId(env),
    timeouts: {
      connectMs: readInteger(env, 'S3_CONNECT_TIMEOUT_SECONDS', 10, 1, 3600) * 1000,
      idleMs: readInteger(env, 'S3_IDLE_TIMEOUT_SECONDS', 60, 1, 3600) * 1000,
      fetchMs: readInteger(env, 'S3_FETCH_TIMEOUT_SECONDS', 3600, 1, 86_400) * 1000,
    },
    graceMs: readInteger(env, 'SHUTDOWN_GRACE_SECONDS', 30, 0, 86_400) * 1000,
    encodeCsvFromBytes: readInteger(
      env,
      'ENCODE_CSV_FROM_BYTES',
      ENCODE_CSV_FROM_BYTES,
      0,
      Number.MAX_SAFE_INTEGER,
    ),
    readerStallMs: readInteger(env, 'READER_STALL_SECONDS', 600, 1, 86_400) * 1000,
    metrics: readMetrics(env),
  };
}

/** @throws ConnectorError `no_database_url` */
export function requireDatabaseUrl(env: NodeJS.ProcessEnv = process.env): string {
  if (env.DATABASE_URL) return env.DATABASE_URL;
  throw new ConnectorError(
    'no_database_url',
    'DATABASE_URL must be set, in the environment or in .env; it is not',
    {
      hint: 'Such as DATABASE_URL=postgres://user:password@host:5432/database. To only try it out, without a database: npm run demo.',
    },
  );
}

/**
 * How this process logs: for people on a terminal, for machines elsewhere, unless it is told.
 * @throws ConnectorError `bad_setting`
 */
export function readLogSettings(env: NodeJS.ProcessEnv = process.env): LogSettings {
  return {
    format: readWord(env, 'LOG_FORMAT', process.stdout.isTTY ? 'text' : 'json', LOG_FORMATS),
    level: readWord(env, 'LOG_LEVEL', 'info', LOG_LEVELS),
  };
}

function readMetrics(env: NodeJS.ProcessEnv): Config['metrics'] {
  if (!env.METRICS_PORT) return null;
  return {
    host: env.METRICS_HOST || '127.0.0.1',
    port: readInteger(env, 'METRICS_PORT', 0, 0, 65_535),
  };
}

function readWord<Word extends string>(
  env: NodeJS.ProcessEnv,
  name: string,
  preset: Word,
  words: readonly Word[],
): Word {
  const text = env[name] || preset;
  const word = words.find((one) => one === text);
  if (word !== undefined) return word;
  throw new ConnectorError(
    'bad_setting',
    `${name} must be ${words.join(' or ')}; it is ${JSON.stringify(text)}`,
  );
}

function readInteger(
  env: NodeJS.ProcessEnv,
  name: string,
  preset: number,
  lowest: number,
  highest: number,
): number {
  const text = env[name];
  if (text === undefined || text === '') return preset;
  const value = Number(text);
  if (Number.isInteger(value) && value >= lowest && value <= highest) return value;
  throw new ConnectorError(
    'bad_setting',
    `${name} must be a whole number from ${lowest} to ${highest}; it is ${JSON.stringify(text)}`,
  );
}

function readEndpoints(env: NodeJS.ProcessEnv): string[] {
  const texts = (env.S3_ALLOWED_ENDPOINTS ?? '').split(',').map((text) => text.trim());
  return texts.filter(Boolean).map((text) => {
    if (!URL.canParse(text) || !/^https?:$/.test(new URL(text).protocol)) {
      throw new ConnectorError(
        'bad_setting',
        `S3_ALLOWED_ENDPOINTS must list URLs, separated by commas; one is ${JSON.stringify(text)}`,
      );
    }
    return new URL(text).origin;
  });
}

/** With a slash in one of them, two installations could have the same external id. */
function readExternalId(env: NodeJS.ProcessEnv): string | null {
  const parts = Object.entries({ PROJECT_ID: env.PROJECT_ID, SERVICE_ID: env.SERVICE_ID }).map(
    ([name, text = '']) => {
      // AWS's own rule for external ids, but for slash and colon.
      if (/^[\w+=,.@-]{0,600}$/.test(text)) return text;
      throw new ConnectorError(
        'bad_setting',
        `${name} must be up to 600 letters, digits and _+=,.@-; it is ${JSON.stringify(text)}`,
      );
    },
  );
  return parts.every(Boolean) ? parts.join('/') : null;
}
