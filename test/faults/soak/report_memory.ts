// Loaded before a worker that a soak watches: on SIGUSR2 it collects its garbage and logs what is left. Needs --expose-gc.
import { setTimeout as delay } from 'node:timers/promises';
import { isMainThread } from 'node:worker_threads';

declare const gc: () => void;

if (isMainThread) process.on('SIGUSR2', () => void report());

async function report(): Promise<void> {
  // What a first collection finalizes a second one frees.
  for (let time = 0; time < 3; time++) {
    gc();
    await delay(20);
  }
  const { heapUsed, external } = process.memoryUsage();
  const resources = process.getActiveResourcesInfo().length;
  process.stdout.write(`${JSON.stringify({ event: 'memory', bytes: heapUsed + external, resources })}\n`);
}
