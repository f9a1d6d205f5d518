/** Counts the connections of a worker. */
import type { Purpose } from '../db/session_settings.ts';
import { POLL_PLACES, REQUEST_PLACES, SHARES } from './shares.ts';

type WorkerPurpose = Exclude<Purpose, 'console' | 'console live' | 'migrate' | 'probe'>;

/** Returns, by purpose, the most connections that a worker has at once. */
export function connectionsOf(concurrency: number): Readonly<Record<WorkerPurpose, number>> {
  return {
    // Each import and poll has one, because it may wait for a person's transaction. The rest share four.
    control: concurrency + POLL_PLACES + 4,
    health: 1,
    import_file: concurrency,
    listen: 1,
    // Each share LISTENs on one. Each import and poll has one, because completing its job may wait for a person's transaction.
    // The rest share two.
    queue: SHARES + concurrency + POLL_PLACES + 2,
    request: REQUEST_PLACES,
    worker: 1,
  };
}

/** Returns the sum of them. */
export function totalOf(concurrency: number): number {
  return Object.values(connectionsOf(concurrency)).reduce((sum, connections) => sum + connections, 0);
}
