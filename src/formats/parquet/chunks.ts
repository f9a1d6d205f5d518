/** Reads the output of a reader process. */
import type { Socket } from 'node:net';
import { countDiscardedBytes } from '../../buffer_gc.ts';
import type { StallTimer } from './stall_timer.ts';

/** How many received bytes may wait before the socket is paused. */
const MAX_WAITING = 512 * 1024;

/**
 * Yields chunks as they are received; a stream's own iterator would copy them together. While nobody reads, the socket
 * does not keep this process alive.
 */
export class Chunks {
  readonly #socket: Socket;
  #waiting: Buffer[] = [];
  #waitingBytes = 0;
  #arrived: () => void = () => {};
  readonly #whyClosed: () => Error;

  /** @param whyClosed returns the error of a read whose bytes cannot come any more */
  constructor(socket: Socket, whyClosed: () => Error) {
    this.#socket = socket;
    this.#whyClosed = whyClosed;
    socket.on('data', (chunk: Buffer) => {
      this.#waiting.push(chunk);
      this.#waitingBytes += chunk.length;
      if (this.#waitingBytes >= MAX_WAITING) socket.pause();
      this.#arrived();
    });
    // The exit of the process reports the failure.
    socket.on('error', () => {});
    socket.on('close', () => this.#arrived());
    socket.unref();
  }

  /**
   * Yields chunks until `total` bytes were read.
   * @param total resolves with the number of bytes when the process has written all of them
   * @param stallTimer runs only while this waits for a chunk, not while the caller uses one
   * @throws what `total` rejects with; the error of `whyClosed`
   */
  async *read(total: Promise<number>, stallTimer: StallTimer): AsyncGenerator<Buffer> {
    const socket = this.#socket.ref();
    let left = Number.POSITIVE_INFINITY;
    let given = 0;
    const known = total.then((bytes) => {
      left = bytes;
      this.#arrived();
    });
    // A rejection wakes the loop below, which throws it.
    let failed = false;
    known.catch(() => {
      failed = true;
      this.#arrived();
    });
    try {
      while (given < left) {
        const chunk = this.#waiting.shift();
        if (chunk) {
          given += chunk.length;
          this.#waitingBytes -= chunk.length;
          if (socket.isPaused() && this.#waitingBytes < MAX_WAITING) socket.resume();
          yield chunk;
          countDiscardedBytes(chunk.length);
        } else if (failed) {
          await known;
        } else if (socket.closed) {
          throw this.#whyClosed();
        } else {
          await stallTimer.during(
            new Promise<void>((resolve) => {
              this.#arrived = resolve;
            }),
          );
        }
      }
    } finally {
      socket.unref();
    }
  }
}
