/**
 * The settings: environment variables that the program reads. This table is the only place that names them: the parser
 * (config.ts), `--help` (cli/help.ts) and docs/settings.md (docs/describe_settings.ts) are made from it. A new setting is
 * one entry here, and one field of the config that uses it.
 */
import { tmpdir, totalmem, userInfo } from 'node:os';
import { join } from 'node:path';
import { ConnectorError } from './errors.ts';
import { LOG_FORMATS, LOG_LEVELS } from './log.ts';
import type { LogLevel } from './log_line.ts';
import { type CustomerKey, parseCustomerKey } from './sources/s3_customer_keys.ts';

/** What a setting's value may be, and how its text is read. */
interface Kind<Value> {
  /** Returns the value for a variable that is not set, or is empty. */
  preset(): Value;
  /** @throws ConnectorError `bad_setting` */
  read(name: string, text: string): Value;
}

/** One environment variable. */
export interface Setting<Value = unknown> extends Kind<Value> {
  /** What the value is for, and what happens without it: one or two sentences, without its default. */
  purpose: string;
  /** The default in words; undefined: the default itself, or "none". */
  presetText?: string;
  /** Another name of the variable, which goes before. */
  alias?: string;
}

/** For `migrate`, and for all other commands. */
export const DATABASE_SETTINGS = {
  DATABASE_URL: setting(text(null), {
    purpose:
      'The database, for example postgres://user:password@host:5432/database: PostgreSQL, with or without TimescaleDB. Several hosts: host1:5432,host2:5432, and the first that accepts writes is used.',
    presetText: 'required',
  }),
};

export const LOG_SETTINGS = {
  LOG_FORMAT: setting(
    word(() => (process.stdout.isTTY ? 'text' : 'json'), LOG_FORMATS),
    {
      purpose: 'How events are logged: text for people, json for machines.',
      presetText: 'text on a terminal, json elsewhere',
    },
  ),
  LOG_LEVEL: setting(
    word<LogLevel>(() => 'info', LOG_LEVELS),
    {
      purpose:
        'The least severe events that are logged: info, warn or error. Above info, ready is not logged.',
    },
  ),
};

export const WORKER_SETTINGS = {
  IMPORT_DATABASE_URL: setting(text(null), {
    purpose:
      "The URL of the login for imports, in the same database. Code of connectors' owners runs in its sessions. sql/setup/worker_role.sql creates it.",
    presetText: 'DATABASE_URL',
  }),
  WORKER_CONCURRENCY: setting(integer(4, 1, 100), {
    purpose: 'Files that this worker imports at the same time.',
  }),
  IMPORT_BUNDLE_FILES: setting(integer(100, 1, 1000), {
    purpose:
      'Small files of a connector that are imported together at most, in one transaction: a bundle. 1: each file has its own.',
  }),
  SPOOL_DIR: setting(text(join(tmpdir(), `s3_connector_${process.getuid?.() ?? userInfo().username}`)), {
    purpose:
      'The directory for files that are being imported. It needs room for as many as WORKER_CONCURRENCY at once. No other user may control it.',
    presetText: "s3_connector_ and the id of the user, in the system's temporary directory",
  }),
  S3_ALLOWED_ENDPOINTS: setting(urlOrigins(), {
    purpose:
      'URLs of S3-compatible servers and queues that connectors may name, separated by commas. AWS is always allowed.',
  }),
  HTTPS_PROXY: proxySetting('https', 'An endpoint over TLS is reached through a tunnel (CONNECT).'),
  HTTP_PROXY: proxySetting('http', 'Only for endpoints without TLS.'),
  NO_PROXY: setting(text(null), {
    alias: 'no_proxy',
    purpose:
      'Hosts that are reached without the proxy, separated by commas: names, names with a port, .example.com for all names below it, or * for all. Lower case counts, too.',
  }),
  S3_SSE_C_KEYS: setting(customerKeys(), {
    purpose:
      'Keys of objects that are encrypted with a key of their owner (SSE-C), separated by commas: bucket=key or bucket/prefix=key, with the 32 bytes of the key in base64. For a connector with an endpoint: https://host/bucket/prefix=key.',
  }),
  PROJECT_ID: setting(externalIdPart(), {
    purpose:
      'The first part of the external id PROJECT_ID/SERVICE_ID, with which roles are assumed. auth_method iam_role needs both parts.',
  }),
  SERVICE_ID: setting(externalIdPart(), { purpose: 'The second part of the external id.' }),
  S3_CONNECT_TIMEOUT_SECONDS: setting(integer(10, 1, 3600), {
    purpose: 'How long connecting to S3 may take. Then the worker tries again.',
  }),
  S3_IDLE_TIMEOUT_SECONDS: setting(integer(60, 1, 3600), {
    purpose: 'How long a connection to S3 may be idle. Then the transfer resumes on a new one.',
  }),
  S3_FETCH_TIMEOUT_SECONDS: setting(integer(3600, 1, 86_400), {
    purpose:
      'How long fetching an object of up to 1 GiB may take. A larger object has proportionally longer.',
  }),
  AUDIT_REQUESTS_PER_MINUTE: setting(integer(60, 1, 100_000), {
    purpose:
      'LIST requests that an audit by audit_schedule makes in a minute, for each connector. Each lists up to 1,000 keys.',
  }),
  ENCODE_CSV_FROM_BYTES: setting(integer(1 << 20, 0, Number.MAX_SAFE_INTEGER), {
    purpose:
      'CSV and JSON objects of this size or larger are encoded in a thread, which saves the server the parsing. In bytes.',
  }),
  CSV_KERNEL: setting(
    word<'on' | 'off' | 'check'>(() => 'on', ['on', 'off', 'check']),
    {
      purpose:
        'Whether WebAssembly encodes large CSV objects where it can, which takes a third of the time, and sorts them for the columnstore. `check` encodes them both ways, and fails an object if the results differ.',
    },
  ),
  ALLOW_TRANSFORM: setting(
    word(() => 'true', ['true', 'false']),
    {
      purpose:
        'Whether connectors may have a transform: SQL of the person who inserts the connector, which DuckDB runs in a process of its own.',
    },
  ),
  READER_MEMORY_MB: setting(integer(192, 64, 65_536), {
    purpose:
      'The memory of DuckDB in each process that reads Parquet, in MB. The process itself takes more as well. A file that needs more is read again in the large reader.',
  }),
  LARGE_READER_MEMORY_MB: setting(
    integer(() => largeReaderMegabytes(), 64, 65_536),
    {
      purpose:
        'The memory of DuckDB in the large reader of a worker, in MB: the process that reads Parquet files which need more than READER_MEMORY_MB, one at a time. Not above READER_MEMORY_MB: no such file is read again.',
      presetText: 'a quarter of the memory of the machine or container, from 512 to 4096',
    },
  ),
  READER_STALL_SECONDS: setting(integer(600, 1, 86_400), {
    purpose: 'How long a process that reads Parquet may make no progress. Then it is replaced.',
  }),
  SHUTDOWN_GRACE_SECONDS: setting(integer(30, 0, 86_400), {
    purpose: 'How long running imports may take to finish after SIGTERM. Then they roll back.',
  }),
  METRICS_PORT: setting(integer(null, 0, 65_535), {
    purpose: 'The port that serves /metrics and /healthz. Each worker of a machine needs its own.',
    presetText: 'not served',
  }),
  METRICS_HOST: setting(text('127.0.0.1'), {
    purpose: 'The address that METRICS_PORT listens on. There is no authentication.',
  }),
};

export const CONSOLE_SETTINGS = {
  CONSOLE_DATABASE_URL: setting(text(null), {
    purpose:
      'The URL of the role that the console acts as. A pooler in transaction mode does not work: it cannot LISTEN.',
    presetText: 'DATABASE_URL',
  }),
  CONSOLE_HOST: setting(text('127.0.0.1'), {
    purpose: 'The address that the console listens on. Any other than this machine needs CONSOLE_TOKEN.',
  }),
  CONSOLE_PORT: setting(integer(5480, 0, 65_535), {
    purpose: 'The port of the console; 0 is any free port.',
  }),
  CONSOLE_TOKEN: setting(text(null), {
    purpose: 'What people sign in with, for 12 hours or until the console restarts; at least 16 characters.',
  }),
};

export type SettingsTable = Record<string, Setting>;

/** The values of all settings of a table, by name. */
export type Values<Table extends SettingsTable> = {
  [Name in keyof Table]: Table[Name] extends Setting<infer Value> ? Value : never;
};

/**
 * Reads all settings of a table.
 * @throws ConnectorError `bad_setting`, with the setting's name, what it may be and what it is
 */
export function readSettings<Table extends SettingsTable>(
  table: Table,
  env: NodeJS.ProcessEnv,
): Values<Table> {
  const values = Object.entries(table).map(([name, { preset, read, alias }]) => {
    const given = (alias && env[alias]) || env[name];
    return [name, given ? read(name, given) : preset()];
  });
  return Object.fromEntries(values) as Values<Table>;
}

/** Returns the default of a setting, in words. */
export function describePreset({ preset, presetText }: Setting): string {
  return presetText ?? (String(preset() ?? '') || 'none');
}

type Words = Omit<Setting, keyof Kind<unknown>>;

function setting<Value>(kind: Kind<Value>, words: Words): Setting<Value> {
  return { ...kind, ...words };
}

function text<Preset extends string | null>(preset: Preset): Kind<string | Preset> {
  return { preset: () => preset, read: (_, given) => given };
}

/** @param preset the default, or what returns it */
function integer<Preset extends number | null>(
  preset: Preset | (() => Preset),
  lowest: number,
  highest: number,
): Kind<number | Preset> {
  const read = (name: string, given: string) => {
    const value = Number(given);
    if (Number.isInteger(value) && value >= lowest && value <= highest) return value;
    throw badSetting(name, `a whole number from ${lowest} to ${highest}`, given);
  };
  return { preset: typeof preset === 'function' ? preset : () => preset, read };
}

/** Less than half of a small machine: the reader takes memory beside DuckDB's, and so do the worker and PostgreSQL. */
function largeReaderMegabytes(): number {
  // Zero, or a number beyond any machine, if there is no limit.
  const limit = process.constrainedMemory() || Number.POSITIVE_INFINITY;
  const megabytes = Math.min(limit, totalmem()) / 1_000_000;
  return Math.floor(Math.min(Math.max(megabytes / 4, 512), 4096, megabytes / 2));
}

function word<Word extends string>(preset: () => Word, words: readonly Word[]): Kind<Word> {
  const read = (name: string, given: string) => {
    const found = words.find((one) => one === given);
    if (found !== undefined) return found;
    throw badSetting(name, words.join(' or '), given);
  };
  return { preset, read };
}

function urlOrigins(): Kind<string[]> {
  const read = (name: string, given: string) =>
    given
      .split(',')
      .map((part) => part.trim())
      .filter(Boolean)
      .map((url) => {
        if (URL.canParse(url) && /^https?:$/.test(new URL(url).protocol)) return new URL(url).origin;
        throw badSetting(name, 'URLs, separated by commas', url);
      });
  return { preset: () => [], read };
}

function proxySetting(scheme: string, more: string): Setting<string | null> {
  const alias = `${scheme}_proxy`;
  return setting(proxyUrl(), {
    alias,
    purpose: `The proxy to S3, STS and SQS over ${scheme}, for example http://user:password@proxy:3128. ${more} ${alias} counts, too.`,
  });
}

/** The option of Node's agents has this flag as its sign: Node 22.21, 24.5 and later. */
const NODE_HAS_PROXIES = process.allowedNodeEnvironmentFlags.has('--use-env-proxy');

function proxyUrl(): Kind<string | null> {
  const read = (name: string, given: string) => {
    // The value may have a password, so no message shows it.
    if (!URL.canParse(given) || !/^https?:$/.test(new URL(given).protocol))
      throw new ConnectorError('bad_setting', `${name} must be the URL of an HTTP proxy`, {
        hint: 'Correct it in the environment, or in .env: http://proxy:3128, or http://user:password@proxy:3128 with special characters percent-encoded.',
      });
    if (!NODE_HAS_PROXIES)
      throw new ConnectorError(
        'bad_setting',
        `${name} needs Node 22.21, 24.5 or newer; this is ${process.version}`,
        {
          hint: `Use a newer Node, or unset ${name}.`,
        },
      );
    return given;
  };
  return { preset: () => null, read };
}

/** Errors do not show a value: it is secret. */
function customerKeys(): Kind<CustomerKey[]> {
  const read = (name: string, given: string) =>
    given
      .split(',')
      .map((part) => part.trim())
      .filter(Boolean)
      .map((part, index) => {
        const key = parseCustomerKey(part);
        if (key) return key;
        throw new ConnectorError(
          'bad_setting',
          `${name} must be entries like bucket/prefix=key, with a key of 32 bytes in base64 (44 characters) and no URL with http; entry ${index + 1} is not`,
          { hint: 'Correct it in the environment, or in .env.' },
        );
      });
  return { preset: () => [], read };
}

/** A part without a slash: with one, two installations could have the same external id. */
function externalIdPart(): Kind<string | null> {
  const read = (name: string, given: string) => {
    // The characters that AWS allows in external ids, except slash and colon.
    if (/^[\w+=,.@-]{1,600}$/.test(given)) return given;
    throw badSetting(name, 'up to 600 letters, digits and _+=,.@-', given);
  };
  return { preset: () => null, read };
}

function badSetting(name: string, expected: string, given: string): ConnectorError {
  return new ConnectorError('bad_setting', `${name} must be ${expected}; it is ${JSON.stringify(given)}`, {
    hint: 'Correct it in the environment, or in .env.',
  });
}
