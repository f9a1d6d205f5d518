/** Gathers the chunks of a stream into batches. */
import { finished, type Readable } from 'node:stream';

/**
 * Yields the chunks of a stream in batches of at least `leastBytes`, and the rest at its end or before its error. It gathers
 * one batch while the one before is used. The stream's own iterator would wake everything behind it for each chunk of 64 KiB.
 * @throws the error of the stream
 */
export async function* inBatches(stream: Readable, leastBytes: number): AsyncGenerator<Buffer[]> {
  let batch: Buffer[] = [];
  let bytes = 0;
  let end: { error: unknown } | undefined;
  let wake = () => {};
  const stopWatching = finished(stream, { writable: false }, (error) => {
    end = { error };
    wake();
  });
  stream.on('data', (chunk: Buffer) => {
    batch.push(chunk);
    bytes += chunk.length;
    if (bytes < leastBytes) return;
    stream.pause();
    wake();
  });
  try {
    for (;;) {
      if (bytes < leastBytes && end === undefined) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      const full = batch;
      batch = [];
      bytes = 0;
      stream.resume();
      if (full.length > 0) yield full;
      else if (end?.error) throw end.error;
      else if (end) return;
    }
  } finally {
    stopWatching();
    stream.destroy();
  }
}
