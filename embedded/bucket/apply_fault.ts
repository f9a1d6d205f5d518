/** Applies the part of a fault that comes before the response: hook, delay, reset, error. */
import type { ServerResponse } from 'node:http';
import { setTimeout } from 'node:timers/promises';
import { messageOf } from './errors.ts';
import type { LiveFault } from './faults.ts';
import { errorReply, type Reply } from './reply.ts';
import type { LoggedRequest } from './request_log.ts';

/** Returns the response that a fault orders. Undefined: serve the request, unless the connection was reset. */
export async function applyFault(
  fault: LiveFault | undefined,
  request: LoggedRequest,
  response: ServerResponse,
  requestId: string,
): Promise<Reply | undefined> {
  if (!fault) return undefined;
  const { before, delay, reset, error, stall, cut } = fault.order;
  await before?.(request);
  if (delay !== undefined) await pause(delay, fault, response);
  if (stall === undefined && cut === undefined) fault.wasApplied();
  if (reset) {
    response.socket?.resetAndDestroy();
    response.destroy();
    return undefined;
  }
  if (!error) return undefined;
  if (error.code === '') return { status: error.status };
  request.errorCode = error.code;
  return errorReply(
    {
      ...error,
      message: error.message ?? messageOf(error.code) ?? error.code,
      headers: error.retryAfter === undefined ? {} : { 'retry-after': String(error.retryAfter) },
    },
    requestId,
  );
}

async function pause(ms: number, fault: LiveFault, response: ServerResponse): Promise<void> {
  const over = new AbortController();
  response.once('close', () => over.abort());
  fault.released.then(() => over.abort());
  await setTimeout(ms, undefined, { signal: over.signal }).catch(() => {});
}
