/** The command `migrate`: creates or upgrades the schema. */
import 'dotenv/config';
import { readLogSettings, requireDatabaseUrl } from './config.ts';
import { migrate } from './db/migrations.ts';
import { exitWithError } from './exit.ts';
import { log, setLog } from './log.ts';

try {
  setLog(readLogSettings());
  await migrate(requireDatabaseUrl());
  log.info('migrated');
} catch (error) {
  exitWithError(error);
}
