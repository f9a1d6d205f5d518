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
  /** How long running imports may take to finish after SIGTERM, in milliseconds; then they roll back. */
  graceMs: number;
  /** CSV files from so many bytes on, as they are fetched, are encoded before PostgreSQL gets them. */
  encodeCsvFromBytes: number;
  /** Where `/metrics` and `/healthz` are served; null: nowhere. */
  metrics: { host: string; port: number } | null;
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
    graceMs: readInteger(env, 'SHUTDOWN_GRACE_SECONDS', 30, 0, 86_400) * 1000,
    encodeCsvFromBytes: readInteger(
      env,
      'ENCODE_CSV_FROM_BYTES',
      ENCODE_CSV_FROM_BYTES,
      0,
      Number.MAX_SAFE_INTEGER,
    ),
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
