// Loaded before a worker under the soak test: on SIGUSR2 it collects garbage and logs the remaining memory. Needs --expose-gc.
import { setTimeout as delay } from 'node:timers/promises';
import { isMainThread } from 'node:worker_threads';

declare const gc: () => void;

if (isMainThread) process.on('SIGUSR2', () => void report());

async function report(): Promise<void> {
  // The least of some seconds: a later collection frees what an earlier one finalizes, and idle connections give up their buffers.
  let bytes = Number.POSITIVE_INFINITY;
  for (let time = 0; time < 20; time++) {
    gc();
    await delay(100);
    const { heapUsed, external } = process.memoryUsage();
    bytes = Math.min(bytes, heapUsed + external);
  }
  const resources = process.getActiveResourcesInfo().length;
  process.stdout.write(`${JSON.stringify({ event: 'memory', bytes, resources })}\n`);
}
