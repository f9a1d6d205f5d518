import 'dotenv/config';
import { requireDatabaseUrl } from './config.ts';
import { migrate } from './db/migrations.ts';
import { exitWithError } from './exit.ts';
import { log } from './log.ts';

try {
  await migrate(requireDatabaseUrl());
  log.info('migrated');
} catch (error) {
  exitWithError(error);
}
