/** The "spare buffers" of a thread hold encoded rows again and again, because new ones keep V8's garbage collector busy. */
import { countDiscardedBytes } from '../buffer_gc.ts';

/** All have this size: 256 KiB of rows, and room for the last one. */
export const BUFFER_BYTES = 320 * 1024;
/** As many as can be on their way at a time, and some. */
const MOST = 8;

const spare: ArrayBuffer[] = [];

/** Returns a buffer outside of Node's shared pool, so that it can be transferred to another thread. Its content is anything. */
export function takeBuffer(): Uint8Array<ArrayBuffer> {
  const buffer = spare.pop();
  if (buffer) return Buffer.from(buffer);
  // Nobody gave one back, so another one was discarded.
  countDiscardedBytes(BUFFER_BYTES);
  return Buffer.allocUnsafeSlow(BUFFER_BYTES);
}

/** Takes a buffer back that nobody uses any more. */
export function giveBack(buffer: ArrayBuffer): void {
  if (buffer.byteLength === BUFFER_BYTES && spare.length < MOST) spare.push(buffer);
}
