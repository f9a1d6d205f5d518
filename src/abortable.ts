/** Streams that an abort ends. */
import { addAbortSignal, type Readable } from 'node:stream';

/**
 * Returns the stream, which an abort destroys: its reader gets the error. Without a listener, an abort before somebody reads the
 * stream would end the process.
 */
export function abortable<Body extends Readable>(signal: AbortSignal, body: Body): Body {
  body.on('error', () => {});
  return addAbortSignal(signal, body);
}
