// Loaded before a worker under the soak test: on SIGUSR2 it collects garbage and logs the remaining memory. Needs --expose-gc.
import { setTimeout as delay } from 'node:timers/promises';
import { isMainThread } from 'node:worker_threads';

declare const gc: () => void;

if (isMainThread) process.on('SIGUSR2', () => void report());

async function report(): Promise<void> {
  // A second collection frees what the first one finalizes.
  for (let time = 0; time < 3; time++) {
    gc();
    await delay(20);
  }
  const { heapUsed, external } = process.memoryUsage();
  const resources = process.getActiveResourcesInfo().length;
  process.stdout.write(`${JSON.stringify({ event: 'memory', bytes: heapUsed + external, resources })}\n`);
}
