/** Reads the output of a reader process. */
import { Socket, type SocketConstructorOpts } from 'node:net';
import { countDiscardedBytes } from '../../buffer_gc.ts';
import { whenWritten } from '../../written_buffers.ts';
import { BUFFER_BYTES, giveBack, takeBuffer } from '../spare_buffers.ts';
import type { StallTimer } from './stall_timer.ts';

/** How many received bytes may wait before the socket is paused. */
const MAX_WAITING = 512 * 1024;
/** A block with less room than this is full. */
const LEAST_ROOM = 64 * 1024;

/** Not in Node's types, which only know handles of another kind here. */
type WithHandle = Socket & { _handle: SocketConstructorOpts['handle'] };

/**
 * Yields blocks of received bytes. The system writes into blocks that are used again after they have been sent. A new
 * buffer of 64 KiB for each read took a fifth more of the CPU time of an import. While nobody reads, the socket does not keep this
 * process alive.
 */
export class Chunks {
  readonly #socket: Socket;
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  #arrived: () => void = () => {};
  /** The block that is being filled: `#taken` bytes of it were yielded, and up to `#filled` it has bytes. */
  #block = takeBuffer();
  #taken = 0;
  #filled = 0;

  readonly #whyClosed: () => Error;

  /**
   * @param pipe from the child process. Nothing must have been read from it.
   * @param whyClosed returns the error of a read whose bytes cannot come any more
   */
  constructor(pipe: Socket, whyClosed: () => Error) {
    this.#whyClosed = whyClosed;
    // A socket gets memory to read into from its constructor only, and `fork` has called that. So this is a second one of the pipe.
    const options = {
      handle: (pipe as WithHandle)._handle,
      onread: { buffer: () => this.#room(), callback: (bytes: number) => this.#receive(bytes) },
    };
    this.#socket = new Socket(options);
    // The exit of the process reports the failure. After it, Node reads the rest of the first socket, which may be closed by then.
    for (const socket of [this.#socket, pipe]) socket.on('error', () => {});
    this.#socket.on('close', () => this.#arrived());
    this.#socket.unref();
  }

  /** Closes the pipe. */
  destroy(): void {
    this.#socket.destroy();
  }

  #room(): Uint8Array {
    return this.#block.subarray(this.#filled);
  }

  /** Returns whether there is room for more. */
  #receive(bytes: number): boolean {
    this.#filled += bytes;
    if (BUFFER_BYTES - this.#filled < LEAST_ROOM) this.#nextBlock();
    this.#arrived();
    return this.#waitingBytes < MAX_WAITING;
  }

  #nextBlock(): void {
    const block = this.#block;
    this.#waiting.push(block.subarray(this.#taken, this.#filled));
    this.#waitingBytes += this.#filled - this.#taken;
    this.#block = takeBuffer();
    this.#taken = 0;
    this.#filled = 0;
  }

  /** Returns the bytes that came first. Those of a block that is not full are copied: the system may be writing into the rest of it. */
  #take(sentWhole: boolean): Uint8Array | undefined {
    const block = this.#waiting.shift();
    if (block) {
      this.#waitingBytes -= block.length;
      if (this.#waitingBytes < MAX_WAITING) this.#socket.resume();
      if (sentWhole) whenWritten(block, () => giveBack(block.buffer as ArrayBuffer));
      else countDiscardedBytes(BUFFER_BYTES);
      return block;
    }
    if (this.#taken === this.#filled) return undefined;
    const bytes = Buffer.from(this.#block.subarray(this.#taken, this.#filled));
    this.#taken = this.#filled;
    countDiscardedBytes(bytes.length);
    return bytes;
  }

  /**
   * Yields bytes until `total` bytes were read.
   * @param total resolves with the number of bytes when the process has written all of them
   * @param stallTimer runs only while this waits for bytes, not while the caller uses them
   * @param sentWhole whether the caller sends the chunks unchanged. Of a block that is cut up, the
   *   first part that was written would free the memory of the others.
   * @throws what `total` rejects with; the error of `whyClosed`
   */
  async *read(
    total: Promise<number>,
    stallTimer: StallTimer,
    sentWhole: boolean,
  ): AsyncGenerator<Uint8Array> {
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
        const bytes = this.#take(sentWhole);
        if (bytes) {
          given += bytes.length;
          yield bytes;
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
