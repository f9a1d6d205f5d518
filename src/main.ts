import 'dotenv/config';
import { constants, getPriority, setPriority } from 'node:os';
import { readConfig, readLogSettings } from './config.ts';
import { describeError } from './errors.ts';
import { exitWithError } from './exit.ts';
import { log, setLog } from './log.ts';
import { startWorker } from './worker/worker.ts';

try {
  setLog(readLogSettings());
  yieldToPostgres();
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

/** Where the database is on the same machine, its backends are what all others wait for. Children inherit it. */
function yieldToPostgres(): void {
  const { PRIORITY_BELOW_NORMAL } = constants.priority;
  try {
    // Nobody but root may raise the priority of who was started with a lower one.
    if (getPriority() < PRIORITY_BELOW_NORMAL) setPriority(PRIORITY_BELOW_NORMAL);
  } catch (error) {
    log.warn('priority not lowered', { error: describeError(error) });
  }
}
