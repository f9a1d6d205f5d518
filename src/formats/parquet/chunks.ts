import type { Socket } from 'node:net';
import { countDiscardedBytes } from '../../buffer_gc.ts';
import type { Patience } from './patience.ts';

/** Bytes that wait to be taken, before the socket is asked to hold back. */
const MAX_WAITING = 512 * 1024;

/**
 * What comes out of a process, piece by piece as it is received: a stream's own iterator would copy them together. As long
 * as nobody reads, the socket does not hold up the end of this process.
 */
export class Chunks {
  readonly #socket: Socket;
  #waiting: Buffer[] = [];
  #waitingBytes = 0;
  #arrived: () => void = () => {};

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (chunk: Buffer) => {
      this.#waiting.push(chunk);
      this.#waitingBytes += chunk.length;
      if (this.#waitingBytes >= MAX_WAITING) socket.pause();
      this.#arrived();
    });
    // A process that is gone is seen by its exit.
    socket.on('error', () => {});
    socket.unref();
  }

  /**
   * @param total resolves, when all has been written, with the number of bytes; until then pieces are passed on
   * @param patience with the process, between two pieces; how long they are taken to be used does not count
   * @throws what `total` rejects with
   */
  async *read(total: Promise<number>, patience: Patience): AsyncGenerator<Buffer> {
    const socket = this.#socket.ref();
    let left = Number.POSITIVE_INFINITY;
    let given = 0;
    const known = total.then((bytes) => {
      left = bytes;
      this.#arrived();
    });
    // Its failure wakes the loop below, and is thrown there.
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
        } else {
          await patience.during(
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
