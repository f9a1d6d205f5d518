/** The command `start`: runs a worker until a signal stops it. */
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
  // Logged after the signal handlers are set: a reader of `ready` may stop the worker at once.
  log.info('ready', { worker: worker.workerId, concurrency: config.concurrency });
  // Running imports may finish, also if the worker ends by itself.
  await worker.ended.finally(() => worker.stop());
} catch (error) {
  exitWithError(error);
}

/** Lowers this process's priority, so that PostgreSQL comes first if it is on the same machine. Children inherit it. */
function yieldToPostgres(): void {
  const { PRIORITY_BELOW_NORMAL } = constants.priority;
  try {
    // Only root may raise a priority that is already lower.
    if (getPriority() < PRIORITY_BELOW_NORMAL) setPriority(PRIORITY_BELOW_NORMAL);
  } catch (error) {
    log.warn('priority not lowered', { error: describeError(error) });
  }
}
