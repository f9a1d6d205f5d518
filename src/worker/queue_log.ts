import { Logger } from 'graphile-worker';
import { log } from '../log.ts';

/** graphile-worker's log, as our lines: its warnings and errors; the rest is said by our own events. */
export const queueLogger = new Logger(() => (level, message, meta) => {
  if (level === 'error') log.error('queue', { message, ...pick(meta) });
  else if (level === 'warning') log.warn('queue', { message, ...pick(meta) });
});

function pick(meta: Record<string, unknown> | undefined): Record<string, unknown> {
  const error = meta?.error;
  return error instanceof Error ? { error: error.message } : {};
}
