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

/** One command of `pg-s3-connector`. Its module is loaded when it is run, as each reads the environment as it loads. */
export interface Command {
  name: string;
  /** One line for the list of commands. */
  summary: string;
  /** What a person should know before running it. */
  details: string;
  settings: SettingsTable;
  run(): Promise<void>;
}

export const COMMANDS: readonly Command[] = [
  {
    name: 'migrate',
    summary: 'make the schema s3_connector in the database, or bring it to this version',
    details:
      'Safe to repeat, and safe while workers run. start does it, too: run it by itself to see that it works, or where\nworkers are started by a role that may not change the schema.',
    settings: { ...DATABASE_SETTINGS, ...LOG_SETTINGS },
    run: async () => void (await import('../migrate.ts')),
  },
  {
    name: 'start',
    summary: 'migrate, then run a worker until it gets SIGTERM or Ctrl-C',
    details:
      'Says ready when it takes work. Run as many as you like, on one machine or many, on one database: each file is\nimported once. What a worker that died had is taken over by the others within a minute.',
    settings: { ...DATABASE_SETTINGS, ...WORKER_SETTINGS, ...LOG_SETTINGS },
    run: async () => void (await import('../main.ts')),
  },
  {
    name: 'console',
    summary: 'serve the web page on which connectors are watched and steered',
    details:
      "It acts with the rights of the role in CONSOLE_DATABASE_URL, or else DATABASE_URL. On other addresses than this machine's own it needs a token.",
    settings: { ...DATABASE_SETTINGS, ...CONSOLE_SETTINGS },
    run: startConsole,
  },
  {
    name: 'check',
    summary: 'say whether this machine and the database are ready for a worker, and what to do if not',
    details:
      'Reads the same settings as start, and changes nothing in the database. Status 0: a worker can start; 1: something must be mended first.\nWhether a certain bucket can be read is asked in SQL: call s3_connector.check(name)',
    settings: { ...DATABASE_SETTINGS, ...WORKER_SETTINGS },
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
