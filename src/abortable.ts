/** Streams and controllers that an abort ends. */
import { addAbortSignal, type Readable } from 'node:stream';

/**
 * Returns the stream, which an abort destroys: its reader gets the error. Without a listener, an abort before somebody reads the
 * stream would end the process.
 */
export function abortable<Body extends Readable>(signal: AbortSignal, body: Body): Body {
  body.on('error', () => {});
  return addAbortSignal(signal, body);
}

/**
 * Returns the chunks of a stream up to its end, its error or an abort. Once it has more than `most` bytes, it is not read on.
 * Listeners cost a small object less than an iterator does.
 */
export function collect(signal: AbortSignal, body: Readable, most: number): Promise<Buffer[]> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  return new Promise((resolve) => {
    const stop = () => void body.destroy();
    const end = () => {
      signal.removeEventListener('abort', stop);
      resolve(chunks);
    };
    body.on('error', () => {});
    if (body.closed) return end();
    body.once('end', end).once('close', end);
    body.on('data', (chunk: Buffer) => {
      if (bytes > most) return;
      chunks.push(chunk);
      bytes += chunk.length;
      if (bytes > most) stop();
    });
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
  });
}

/**
 * Aborts a controller when a signal aborts, until the returned function is called. Each file has several: AbortSignal.any costs
 * more, and more still for many signals.
 */
export function follow(signal: AbortSignal, controller: AbortController): () => void {
  const abort = () => controller.abort(signal.reason);
  if (signal.aborted) abort();
  else signal.addEventListener('abort', abort, { once: true });
  return () => signal.removeEventListener('abort', abort);
}
