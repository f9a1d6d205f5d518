/** The "spooled file": an object on the worker's disk, which can be read while it grows. */
import { createReadStream, readSync } from 'node:fs';
import { type FileHandle, open, unlink, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { countDiscardedBytes } from '../buffer_gc.ts';
import { injectFault } from '../data_faults.ts';
import { ConnectorError } from '../errors.ts';
import { at } from '../fault_points.ts';
import { FILE_MODE, makeSpoolDirectory } from './spool_directory.ts';

/** How much of a growing file is read at a time. */
const READ_BYTES = 1 << 20;
/** The same as the chunks of S3's answers. Larger chunks cost fewer turns and more memory. */
const CHUNK_BYTES = 64 * 1024;

/** How much is read at a time into memory that is used again. */
const PART_BYTES = 256 * 1024;

/** A fetch that is further ahead of its readers than this yields to them. */
const AHEAD_BYTES = 16 << 20;
/** The pause of such a fetch after each write, in milliseconds. It still fetches some 50 MB a second. */
const CATCH_UP_MS = 5;

/** The state that another thread needs to read the same file. */
export interface SpooledState {
  path: string;
  sizeBytes: number;
  available: number;
}

/** Returns memory for so many bytes. */
export type Place = (length: number) => Buffer;

/**
 * An object on the worker's disk. While it is being fetched, readers wait for the bytes that they need. A small one stays in
 * memory until a reader needs a path.
 */
export class SpooledFile {
  readonly path: string;
  /** The size of the whole object. */
  readonly sizeBytes: number;
  #available: number;
  /** The offset of the tail, if that is there already; the size if not. */
  #tailFrom: number;
  #failure: unknown;
  #wanted = 0;
  readonly #listeners = new Set<() => void>();
  /** The whole object, if it is in memory. */
  readonly #bytes: Buffer | null;
  #written: Promise<void> | undefined;

  constructor({ path, sizeBytes, available }: SpooledState, bytes: Buffer | null = null) {
    this.path = path;
    this.sizeBytes = sizeBytes;
    this.#available = available;
    this.#tailFrom = sizeBytes;
    this.#bytes = bytes;
  }

  static inMemory(path: string, bytes: Buffer): SpooledFile {
    return new SpooledFile({ path, sizeBytes: bytes.length, available: bytes.length }, bytes);
  }

  /** How many bytes can be read now, from the start. */
  get available(): number {
    return this.#available;
  }

  /** The offset up to which readers have asked for bytes. */
  get wanted(): number {
    return this.#wanted;
  }

  /** The offset from which the bytes up to the end can be read now. The tail may come before the bytes in between. */
  get tailFrom(): number {
    return this.#tailFrom;
  }

  /** The error of the download, if it failed. */
  get failure(): unknown {
    return this.#failure;
  }

  get state(): SpooledState {
    return { path: this.path, sizeBytes: this.sizeBytes, available: this.#available };
  }

  /** Notifies readers that so many bytes are there. */
  grow(available: number): void {
    this.#available = available < this.#tailFrom ? available : this.sizeBytes;
    this.#notify();
  }

  /** Notifies readers that the bytes from an offset to the end are there, maybe before those in between. */
  setTail(from: number): void {
    this.#tailFrom = from;
    this.grow(this.#available);
  }

  /** Notes that a reader needs the first so many bytes. */
  want(bytes: number): void {
    this.#wanted = Math.max(this.#wanted, bytes);
  }

  /** Whether the fetch is far ahead of the readers. */
  get farAhead(): boolean {
    return this.#available > this.#wanted + AHEAD_BYTES;
  }

  /**
   * Waits a moment if the fetch is far ahead, to leave the processor to the readers. Never for long, because S3 closes a
   * connection that nobody reads from.
   */
  async letCatchUp(): Promise<void> {
    if (this.farAhead) await delay(CATCH_UP_MS);
  }

  /** Notifies readers that the download failed. Every waiting reader gets the error. */
  fail(error: unknown): void {
    this.#failure ??= error;
    this.#notify();
  }

  /**
   * Calls the listener whenever the file has grown, or has failed.
   * @returns a function that removes the listener
   */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Waits until all bytes are there.
   * @throws the error of the download
   */
  async whole(): Promise<void> {
    await this.reach(this.sizeBytes);
  }

  /**
   * Waits until the first `bytes` bytes are there.
   * @throws the error of the download
   */
  async reach(bytes: number): Promise<void> {
    this.want(bytes);
    await this.#until(() => this.#available >= bytes);
  }

  /**
   * Waits until the last `bytes` bytes are there, which may come before those in between.
   * @throws the error of the download
   */
  async reachTail(bytes: number): Promise<void> {
    await this.#until(() => this.#tailFrom < this.sizeBytes || this.#available === this.sizeBytes);
    if (this.#tailFrom > this.sizeBytes - bytes) await this.whole();
  }

  /** Writes a file in memory to `path`, so that it can be opened. */
  async onDisk(): Promise<void> {
    if (this.#bytes === null) return;
    const bytes = this.#bytes;
    this.#written ??= at('spool_to_disk', () => writeNew(this.path, bytes), 'source');
    await this.#written;
  }

  /** Deletes the file, if it is on disk. */
  async remove(): Promise<void> {
    if (this.#bytes !== null && this.#written === undefined) return;
    await this.#written?.catch(() => {});
    // Not rm, which costs a stat more.
    await unlink(this.path).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error;
    });
  }

  /** Yields the bytes from `start`, as they arrive. The file is closed, also if it is not read to its end. */
  async *read(start = 0): AsyncGenerator<Buffer> {
    if (this.#bytes !== null) {
      if (start < this.#bytes.length) yield this.#bytes.subarray(start);
      return;
    }
    for (let at = start; at < this.sizeBytes; ) {
      await this.reach(Math.min(at + READ_BYTES, this.sizeBytes));
      const end = this.#available - 1;
      const chunks = createReadStream(this.path, { start: at, end, highWaterMark: CHUNK_BYTES });
      for await (const chunk of injectFault('bytes', chunks)) {
        at += chunk.length;
        yield chunk;
        countDiscardedBytes(chunk.length);
      }
      if (at !== end + 1) throw spoolCut(at, end + 1);
    }
  }

  /** Reads the bytes from `start` on into the memory that `place` returns, as they arrive, and yields each part. For threads that may block. */
  async *readInto(start: number, place: Place): AsyncGenerator<Buffer> {
    await this.onDisk();
    const handle = await open(this.path);
    try {
      for (let at = start; at < this.sizeBytes; ) {
        await this.reach(Math.min(at + READ_BYTES, this.sizeBytes));
        const end = this.#available;
        for await (const part of injectFault('bytes', readParts(handle, { from: at, to: end }, place))) {
          at += part.length;
          yield part;
        }
        if (at !== end) throw spoolCut(at, end);
      }
    } finally {
      await handle.close();
    }
  }

  async #until(isThere: () => boolean): Promise<void> {
    while (!isThere()) {
      if (this.#failure !== undefined) throw this.#failure;
      await new Promise<void>((resolve) => {
        const stop = this.onChange(() => {
          stop();
          resolve();
        });
      });
    }
  }

  #notify(): void {
    for (const listener of [...this.#listeners]) listener();
  }
}

/** Blocks its thread, which has nothing else to do: a turn through Node's other threads would cost half as much as the read. */
async function* readParts(
  { fd }: FileHandle,
  { from, to }: { from: number; to: number },
  place: Place,
): AsyncGenerator<Buffer> {
  for (let at = from; at < to; ) {
    const room = place(Math.min(PART_BYTES, to - at));
    const bytesRead = readSync(fd, room, 0, room.length, at);
    if (bytesRead === 0) return;
    at += bytesRead;
    yield room.subarray(0, bytesRead);
  }
}

function spoolCut(actual: number, expected: number): ConnectorError {
  return new ConnectorError(
    'spool_damaged',
    `the downloaded file was read to byte ${actual}, and byte ${expected} was expected`,
    {
      passing: true,
      hint: 'Look at the disk of SPOOL_DIR, and for other programs that delete or change files there.',
    },
  );
}

async function writeNew(path: string, bytes: Buffer): Promise<void> {
  await makeSpoolDirectory(dirname(path));
  await writeFile(path, bytes, { mode: FILE_MODE });
}
