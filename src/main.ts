import 'dotenv/config';
import { readConfig } from './config.ts';
import { exitWithError } from './exit.ts';
import { log } from './log.ts';
import { startWorker } from './worker/worker.ts';

try {
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
