/** The list of commands of `pg-s3-connector`. */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { ConnectorError } from '../errors.ts';
import {
  CONSOLE_SETTINGS,
  DATABASE_SETTINGS,
  LOG_SETTINGS,
  type SettingsTable,
  WORKER_SETTINGS,
} from '../settings.ts';
import type { Options } from './options.ts';

/** One command. `run` loads its module, because modules read the environment when they load. */
export interface Command {
  name: string;
  /** One line for the list of commands. */
  summary: string;
  /** For `--help` of the command. */
  details: string;
  settings: SettingsTable;
  /** What follows the command, by name: `--endpoint URL`. */
  options?: Record<string, { value: string; purpose: string }>;
  run(options: Options): Promise<void>;
}

export const COMMANDS: readonly Command[] = [
  {
    name: 'migrate',
    summary: 'create the schema s3_connector in the database, or upgrade it to this version',
    details:
      'Safe to repeat, and safe while workers run. start migrates, too. Run it by itself to see that it works, or if the\nrole of the workers may not change the schema.',
    settings: { ...DATABASE_SETTINGS, ...LOG_SETTINGS },
    run: async () => void (await import('../migrate.ts')),
  },
  {
    name: 'start',
    summary: 'migrate, then run a worker until it gets SIGTERM or Ctrl-C',
    details:
      'Logs ready when it takes jobs. Run as many workers as you like, on one machine or many, on one database: each file\nis imported once. Other workers take over the files of a worker that died within a minute.',
    settings: { ...DATABASE_SETTINGS, ...WORKER_SETTINGS, ...LOG_SETTINGS },
    run: async () => void (await import('../main.ts')),
  },
  {
    name: 'console',
    summary: 'serve the web page to watch and control connectors',
    details:
      "It acts with the rights of the role in CONSOLE_DATABASE_URL, or else DATABASE_URL. It needs a token to listen on any\naddress that is not this machine's own.",
    settings: { ...DATABASE_SETTINGS, ...CONSOLE_SETTINGS },
    run: startConsole,
  },
  {
    name: 'doctor',
    summary: 'find out whether this machine and the database are ready for a worker, and what to do if not',
    details:
      'Reads the same settings as start, and changes nothing in the database. Status 0: a worker can start; 1: something must be fixed first.\nTo find out whether a bucket can be read, run in SQL: call s3_connector.check(name)\n\nWith --bucket it finds out whether an S3-compatible server is fit for the connector, with the AWS credentials of the\nenvironment. It writes some 1,100 small objects (25 MB at most) into a folder of its own below --prefix, and deletes them, also\nafter Ctrl-C. That needs s3:ListBucket, s3:GetObject, s3:PutObject and s3:DeleteObject. Status 0: fit, or fit but ...;\n1: unfit, because ...',
    settings: { ...DATABASE_SETTINGS, ...WORKER_SETTINGS },
    options: {
      bucket: {
        value: 'NAME',
        purpose: 'Try the S3 server of this bucket instead. DATABASE_URL is not needed.',
      },
      endpoint: { value: 'URL', purpose: 'The S3-compatible server. Without it: Amazon.' },
      prefix: {
        value: 'PREFIX',
        purpose: 'All keys that are written begin with it. No connector should match it.',
      },
      region: {
        value: 'REGION',
        purpose: "The bucket's region. Without it: as a connector without a region.",
      },
      'path-style': { value: 'true|false', purpose: 'As the column path_style of a connector.' },
    },
    run: async (options) => await (await import('./doctor.ts')).doctor(options),
  },
];

/** Loads the console, which is beside src/: as TypeScript from a checkout, as JavaScript from a package. */
async function startConsole(): Promise<void> {
  const extension = import.meta.url.endsWith('.ts') ? '.ts' : '.js';
  const main = new URL(`../../console/main${extension}`, import.meta.url);
  if (!existsSync(fileURLToPath(main)))
    throw new ConnectorError('no_console', 'this installation has no console', {
      hint: 'Query the views of the schema s3_connector instead: they have everything that the console shows.',
    });
  await import(main.href);
}
