import type pg from 'pg';
import { log } from '../log.ts';

/**
 * Logs the connections that a pool loses. One that breaks while idle is replaced; one that breaks in use fails what it was
 * used for. An error event without a listener would end the process.
 */
export function logLostConnections(pool: pg.Pool, purpose: string): void {
  const onError = (error: Error) => log.warn('connection lost', { purpose, error: error.message });
  pool.on('error', onError);
  pool.on('connect', (client) => client.on('error', onError));
}
