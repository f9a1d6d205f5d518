import 'dotenv/config';
import { constants, setPriority } from 'node:os';
import { readConfig, readLogSettings } from './config.ts';
import { exitWithError } from './exit.ts';
import { log, setLog } from './log.ts';
import { startWorker } from './worker/worker.ts';

try {
  // Where the database is on the same machine, PostgreSQL goes first: it does what all others wait for.
  setPriority(constants.priority.PRIORITY_BELOW_NORMAL);
  setLog(readLogSettings());
  const config = readConfig();
  const worker = await startWorker(config);
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => void worker.stop());
  // Not before: whoever reads it may stop the worker at once.
  log.info('ready', { worker: worker.workerId, concurrency: config.concurrency });
  // What ends it by itself lets running imports finish, too.
  await worker.ended.finally(() => worker.stop());
} catch (error) {
  exitWithError(error);
}
