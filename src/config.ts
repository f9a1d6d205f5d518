/** The configuration of a worker, as the environment variables in settings.ts give it. */
import { ConnectorError } from './errors.ts';
import type { LogSettings } from './log.ts';
import { DATABASE_SETTINGS, LOG_SETTINGS, readSettings, type Values, WORKER_SETTINGS } from './settings.ts';
import type { CustomerKey } from './sources/s3_customer_keys.ts';

export interface Config {
  databaseUrl: string;
  /** The URL of the login for imports. Code of connectors' owners runs in its sessions. */
  importDatabaseUrl: string;
  /** Files that this process imports at the same time. */
  concurrency: number;
  /** Small files of a connector that are imported together at most. */
  bundleFiles: number;
  /** Directory for files that are being imported; each worker creates its own below it. */
  spoolDir: string;
  /** Endpoints that connectors may name, as origins (`https://host:port`). */
  allowedEndpoints: readonly string[];
  /** Keys of objects that are encrypted with a key of their owner (SSE-C). */
  customerKeys: readonly CustomerKey[];
  /** The external id with which roles are assumed, `<PROJECT_ID>/<SERVICE_ID>`; null if either is not set. */
  externalId: string | null;
  /** The proxy to S3, STS and SQS, as variables of an environment; null: none. */
  proxyEnv: Partial<Record<'HTTPS_PROXY' | 'HTTP_PROXY' | 'NO_PROXY', string>> | null;
  timeouts: Timeouts;
  /** How long running imports may take to finish after SIGTERM, in milliseconds; then they roll back. */
  graceMs: number;
  /** LIST requests of an audit by schedule in a minute. */
  auditRequestsPerMinute: number;
  /** CSV objects of this size or larger are encoded before PostgreSQL gets them. */
  encodeCsvFromBytes: number;
  /** Whether WebAssembly encodes them, and is checked. */
  csvKernel: 'on' | 'off' | 'check';
  /** The address that serves `/metrics` and `/healthz`; null: not served. */
  metrics: { host: string; port: number } | null;
  /** Whether connectors may have a transform. */
  allowTransform: boolean;
  /** What DuckDB may use in a reader, in MB. */
  readerMemoryMb: number;
  largeReaderMemoryMb: number;
  /** How long a process that reads Parquet may make no progress, in milliseconds. */
  readerStallMs: number;
}

/** Timeouts of requests to S3, in milliseconds. */
export interface Timeouts {
  /** For opening a connection. */
  connectMs: number;
  /** How long an open connection may be idle. */
  idleMs: number;
  /** For fetching one object of up to 1 GiB; a larger one has proportionally longer. */
  fetchMs: number;
}

/**
 * Reads the configuration of a worker.
 * @throws ConnectorError `no_database_url`, `bad_setting`
 */
export function readConfig(env: NodeJS.ProcessEnv = process.env): Config {
  const databaseUrl = requireDatabaseUrl(env);
  const given = readSettings(WORKER_SETTINGS, env);
  return {
    databaseUrl,
    importDatabaseUrl: given.IMPORT_DATABASE_URL ?? databaseUrl,
    concurrency: given.WORKER_CONCURRENCY,
    bundleFiles: given.IMPORT_BUNDLE_FILES,
    spoolDir: given.SPOOL_DIR,
    ...sourceConfigOf(given),
    graceMs: given.SHUTDOWN_GRACE_SECONDS * 1000,
    auditRequestsPerMinute: given.AUDIT_REQUESTS_PER_MINUTE,
    encodeCsvFromBytes: given.ENCODE_CSV_FROM_BYTES,
    csvKernel: given.CSV_KERNEL,
    readerMemoryMb: given.READER_MEMORY_MB,
    largeReaderMemoryMb: given.LARGE_READER_MEMORY_MB,
    allowTransform: given.ALLOW_TRANSFORM === 'true',
    readerStallMs: given.READER_STALL_SECONDS * 1000,
    metrics: given.METRICS_PORT === null ? null : { host: given.METRICS_HOST, port: given.METRICS_PORT },
  };
}

/** The part of the configuration that reading from S3 needs. */
export type SourceConfig = Pick<
  Config,
  'allowedEndpoints' | 'customerKeys' | 'externalId' | 'proxyEnv' | 'timeouts'
>;

/**
 * Reads how to reach S3, without a database.
 * @throws ConnectorError `bad_setting`
 */
export function readSourceConfig(env: NodeJS.ProcessEnv = process.env): SourceConfig {
  return sourceConfigOf(readSettings(WORKER_SETTINGS, env));
}

function sourceConfigOf(given: Values<typeof WORKER_SETTINGS>): SourceConfig {
  return {
    allowedEndpoints: given.S3_ALLOWED_ENDPOINTS,
    customerKeys: given.S3_SSE_C_KEYS,
    externalId:
      given.PROJECT_ID !== null && given.SERVICE_ID !== null
        ? `${given.PROJECT_ID}/${given.SERVICE_ID}`
        : null,
    proxyEnv: proxyEnvOf(given),
    timeouts: {
      connectMs: given.S3_CONNECT_TIMEOUT_SECONDS * 1000,
      idleMs: given.S3_IDLE_TIMEOUT_SECONDS * 1000,
      fetchMs: given.S3_FETCH_TIMEOUT_SECONDS * 1000,
    },
  };
}

function proxyEnvOf({
  HTTPS_PROXY,
  HTTP_PROXY,
  NO_PROXY,
}: Values<typeof WORKER_SETTINGS>): Config['proxyEnv'] {
  if (HTTPS_PROXY === null && HTTP_PROXY === null) return null;
  return {
    ...(HTTPS_PROXY === null ? {} : { HTTPS_PROXY }),
    ...(HTTP_PROXY === null ? {} : { HTTP_PROXY }),
    ...(NO_PROXY === null ? {} : { NO_PROXY }),
  };
}

/**
 * Returns DATABASE_URL.
 * @throws ConnectorError `no_database_url`
 */
export function requireDatabaseUrl(env: NodeJS.ProcessEnv = process.env): string {
  const { DATABASE_URL: url } = readSettings(DATABASE_SETTINGS, env);
  if (url !== null) return url;
  throw new ConnectorError('no_database_url', 'DATABASE_URL must be set, in the environment or in .env', {
    hint: 'Set it, for example DATABASE_URL=postgres://user:password@host:5432/database. To try the program without a database, run npm run demo in a checkout.',
  });
}

/**
 * Reads how to log.
 * @throws ConnectorError `bad_setting`
 */
export function readLogSettings(env: NodeJS.ProcessEnv = process.env): LogSettings {
  const { LOG_FORMAT: format, LOG_LEVEL: level } = readSettings(LOG_SETTINGS, env);
  return { format, level };
}
