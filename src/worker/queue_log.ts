/** Writes graphile-worker's log as our log. */
import { Logger } from 'graphile-worker';
import { log } from '../log.ts';

/** Logs graphile-worker's warnings and errors. Our own events cover the rest. */
export const queueLogger = new Logger(() => (level, message, meta) => {
  if (level === 'error') log.error('queue', { message, ...pick(meta) });
  else if (level === 'warning') log.warn('queue', { message, ...pick(meta) });
});

function pick(meta: Record<string, unknown> | undefined): Record<string, unknown> {
  const error = meta?.error;
  return error instanceof Error ? { error: error.message } : {};
}
