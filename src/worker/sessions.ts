import type { Purpose } from '../db/connections.ts';
import { CONTROL_CONNECTIONS } from '../db/control.ts';

/** Requests that one worker answers side by side, besides its imports. */
export const REQUEST_CONCURRENCY = 4;

type WorkerPurpose = Exclude<Purpose, 'check' | 'migrate'>;

/** The most connections that a worker has at once. */
export function connectionsOf(concurrency: number): Readonly<Record<WorkerPurpose, number>> {
  return {
    control: CONTROL_CONNECTIONS,
    health: 1,
    import_file: concurrency,
    listen: 1,
    // What each runner holds besides its jobs' connections: LISTEN, the crontab, and what comes up.
    queue: concurrency + REQUEST_CONCURRENCY + 6,
    request: REQUEST_CONCURRENCY,
    worker: 1,
  };
}

/** How many those are together. */
export function totalOf(concurrency: number): number {
  return Object.values(connectionsOf(concurrency)).reduce((sum, connections) => sum + connections, 0);
}
