import 'dotenv/config';
import { readConfig } from './config.ts';
import { exitWithError } from './exit.ts';
import { startWorker } from './worker/worker.ts';

try {
  const worker = await startWorker(readConfig());
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => void worker.stop());
  await worker.ended;
  await worker.stop();
} catch (error) {
  exitWithError(error);
}
