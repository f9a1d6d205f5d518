// Loaded before a worker under the soak test: on SIGUSR2 it collects garbage and logs the remaining memory, handles and timers.
// Needs --expose-gc.
import { createHook } from 'node:async_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import { isMainThread } from 'node:worker_threads';

declare const gc: () => void;

/** For so many times, this long apart, in milliseconds. Timers of the AWS SDK outlive their requests by 3 seconds. */
const LOOKS = 20;
const EVERY_MS = 250;

/** The ids of timers that are not cleared and have not run, also of those that do not keep the process running. */
const timers = new Set<number>();

if (isMainThread) {
  createHook({
    init: (id, type) => type === 'Timeout' && timers.add(id),
    destroy: (id) => timers.delete(id),
    // They are many, and of no interest. Node 22 does not know it, and is slower.
    trackPromises: false,
  }).enable();
  process.on('SIGUSR2', () => void report());
}

/**
 * Logs the least of some seconds: a later collection frees what an earlier one finalizes, idle connections give up their buffers,
 * and running work ends. A leak is in all of them.
 */
async function report(): Promise<void> {
  const least = {
    bytes: Number.POSITIVE_INFINITY,
    handles: Number.POSITIVE_INFINITY,
    timers: Number.POSITIVE_INFINITY,
  };
  for (let look = 0; look < LOOKS; look++) {
    gc();
    await delay(EVERY_MS);
    const { heapUsed, external } = process.memoryUsage();
    least.bytes = Math.min(least.bytes, heapUsed + external);
    least.handles = Math.min(least.handles, handles());
    least.timers = Math.min(least.timers, timers.size);
  }
  process.stdout.write(`${JSON.stringify({ event: 'memory', ...least })}\n`);
}

/** Counts sockets, pipes, processes and the like. */
function handles(): number {
  return process.getActiveResourcesInfo().filter((kind) => kind !== 'Timeout').length;
}
