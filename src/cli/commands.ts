import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { ConnectorError } from '../errors.ts';

/** One command of `pg-s3-connector`. Its module is loaded when it is run, as each reads the environment as it loads. */
export interface Command {
  name: string;
  /** One line for the list of commands. */
  summary: string;
  /** What a person should know before running it. */
  details: string;
  settings: readonly Setting[];
  run(): Promise<void>;
}

/** An environment variable and what it is for. */
export type Setting = readonly [name: string, purpose: string];

const DATABASE: Setting = ['DATABASE_URL', 'postgres://user:password@host:5432/database; required'];
const LOG: readonly Setting[] = [
  ['LOG_FORMAT', 'text or json; text on a terminal, json elsewhere'],
  ['LOG_LEVEL', 'info, warn or error (info)'],
];
const WORKER: readonly Setting[] = [
  DATABASE,
  ['WORKER_CONCURRENCY', 'files imported side by side (4)'],
  ['SPOOL_DIR', "where files wait on their way (in the system's temporary directory)"],
  ['S3_ALLOWED_ENDPOINTS', 'S3-compatible servers that connectors may name, comma-separated URLs (none)'],
  ['PROJECT_ID', 'with SERVICE_ID: the external id that roles of connectors are assumed with (none)'],
  ['SERVICE_ID', 'see PROJECT_ID'],
  ['S3_CONNECT_TIMEOUT_SECONDS', 'until a connection to S3 stands (10)'],
  ['S3_IDLE_TIMEOUT_SECONDS', 'of silence on such a connection (60)'],
  ['S3_FETCH_TIMEOUT_SECONDS', 'for an object of up to 1 GiB (3600)'],
  ['READER_STALL_SECONDS', 'without progress, after which a reader of Parquet is replaced (600)'],
  ['METRICS_PORT', 'serve /metrics and /healthz on this port (not served)'],
  ['METRICS_HOST', 'and on this address (127.0.0.1)'],
  ['SHUTDOWN_GRACE_SECONDS', 'time for running imports to finish after SIGTERM (30)'],
  ['AWS_...', 'credentials and region, as for every AWS tool'],
];

export const COMMANDS: readonly Command[] = [
  {
    name: 'migrate',
    summary: 'make the schema s3_connector in the database, or bring it to this version',
    details:
      'Safe to repeat, and safe while workers run. start does it, too: run it by itself to see that it works, or where\nworkers are started by a role that may not change the schema.',
    settings: [DATABASE, ...LOG],
    run: async () => void (await import('../migrate.ts')),
  },
  {
    name: 'start',
    summary: 'migrate, then run a worker until it gets SIGTERM or Ctrl-C',
    details:
      'Says ready when it takes work. Run as many as you like, on one machine or many, on one database: each file is\nimported once. What a worker that died had is taken over by the others within a minute.',
    settings: [...WORKER, ...LOG],
    run: async () => void (await import('../main.ts')),
  },
  {
    name: 'console',
    summary: 'serve the web page on which connectors are watched and steered',
    details:
      "It acts with the rights of the role in CONSOLE_DATABASE_URL, or else DATABASE_URL. On other addresses than this machine's own it needs a token.",
    settings: [
      DATABASE,
      ['CONSOLE_DATABASE_URL', 'instead of DATABASE_URL, for a role of its own'],
      ['CONSOLE_PORT', 'the port of the page'],
      ['CONSOLE_HOST', 'and its address (127.0.0.1)'],
      [
        'CONSOLE_TOKEN',
        'what one must know to see it; required where CONSOLE_HOST is not this machine alone',
      ],
    ],
    run: startConsole,
  },
  {
    name: 'check',
    summary: 'say whether this machine and the database are ready for a worker, and what to do if not',
    details:
      'Reads the same settings as start, and changes nothing in the database. Status 0: a worker can start; 1: something must be mended first.\nWhether a certain bucket can be read is asked in SQL: call s3_connector.check(name)',
    settings: WORKER,
    run: async () => await (await import('./check.ts')).check(),
  },
];

/** The console is beside src/, and as the rest of the program it is TypeScript, or JavaScript where that was built. */
async function startConsole(): Promise<void> {
  const extension = import.meta.url.endsWith('.ts') ? '.ts' : '.js';
  const main = new URL(`../../console/main${extension}`, import.meta.url);
  if (!existsSync(fileURLToPath(main)))
    throw new ConnectorError('no_console', 'this installation has no console', {
      hint: 'Everything that it shows is in SQL, in the views of the schema s3_connector.',
    });
  await import(main.href);
}
