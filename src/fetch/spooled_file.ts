import { createReadStream } from 'node:fs';
import { mkdir, unlink, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { countDiscardedBytes } from '../buffer_gc.ts';
import { ConnectorError } from '../errors.ts';
import { lying } from '../lies.ts';

/** What is read in one go of a file that still grows. */
const SEGMENT_BYTES = 1 << 20;
/** As the object's own chunks: the larger they are, the fewer turns, and the more memory. */
const CHUNK_BYTES = 64 * 1024;

/** So many bytes before those that are asked for next are no use yet. */
const AHEAD_BYTES = 16 << 20;
/** What a fetch that is so far ahead leaves to those who read, after each piece, in milliseconds; some 50 MB come a second. */
const CATCH_UP_MS = 5;

/** What another thread needs to know to read the same file. */
export interface SpooledState {
  path: string;
  sizeBytes: number;
  available: number;
}

/**
 * An object on the worker's disk, of which more bytes may still be on their way: who reads on waits for them. A small one
 * stays in memory until somebody needs a path.
 */
export class SpooledFile {
  readonly path: string;
  /** When all of it is there. */
  readonly sizeBytes: number;
  #available: number;
  /** Where what is there of its end begins. */
  #tailFrom: number;
  #failure: unknown;
  #wanted = 0;
  readonly #listeners = new Set<() => void>();
  /** All of it, where it is not on the disk from the start. */
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

  /** Bytes that can be read now, from the start on. */
  get available(): number {
    return this.#available;
  }

  /** Up to where somebody has asked for bytes. */
  get wanted(): number {
    return this.#wanted;
  }

  /** From where on the bytes up to its end can be read now, which may have come before those in between. */
  get tailFrom(): number {
    return this.#tailFrom;
  }

  /** What keeps the rest from coming, if anything. */
  get failure(): unknown {
    return this.#failure;
  }

  get state(): SpooledState {
    return { path: this.path, sizeBytes: this.sizeBytes, available: this.#available };
  }

  /** Tells the readers that the file has so many bytes now. */
  grow(available: number): void {
    this.#available = available < this.#tailFrom ? available : this.sizeBytes;
    this.#tell();
  }

  /** Tells the readers that the bytes from there to the end are there, before those in between. */
  setTail(from: number): void {
    this.#tailFrom = from;
    this.#tell();
  }

  /** Notes that somebody has asked for the first so many bytes. */
  want(bytes: number): void {
    this.#wanted = Math.max(this.#wanted, bytes);
  }

  /** Whether it has grown far beyond what was asked for. */
  get farAhead(): boolean {
    return this.#available > this.#wanted + AHEAD_BYTES;
  }

  /**
   * Waits a moment where the file is far ahead: the processor is for those who read. Never for long, as a connection that
   * nobody reads from is closed.
   */
  async letCatchUp(): Promise<void> {
    if (this.farAhead) await delay(CATCH_UP_MS);
  }

  /** Tells the readers that no more will come: whatever they wait for fails with this. */
  fail(error: unknown): void {
    this.#failure ??= error;
    this.#tell();
  }

  /**
   * Calls whenever the file has grown, or has failed.
   * @returns ends it
   */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Waits until all bytes are there.
   * @throws what kept them from coming
   */
  async whole(): Promise<void> {
    await this.reach(this.sizeBytes);
  }

  /**
   * Waits until the first so many bytes are there.
   * @throws what kept them from coming
   */
  async reach(bytes: number): Promise<void> {
    this.want(bytes);
    await this.#until(() => this.#available >= bytes);
  }

  /**
   * Waits until its last so many bytes are there, which may be before those in between.
   * @throws what kept them from coming
   */
  async reachTail(bytes: number): Promise<void> {
    await this.#until(() => this.#tailFrom < this.sizeBytes || this.#available === this.sizeBytes);
    if (this.#tailFrom > this.sizeBytes - bytes) await this.whole();
  }

  /** Makes sure that `path` can be opened. */
  async onDisk(): Promise<void> {
    if (this.#bytes === null) return;
    this.#written ??= writeNew(this.path, this.#bytes);
    await this.#written;
  }

  /** Deletes the file, as far as there is one. */
  async remove(): Promise<void> {
    if (this.#bytes !== null && this.#written === undefined) return;
    await this.#written?.catch(() => {});
    // Not rm, which looks at the file first.
    await unlink(this.path).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error;
    });
  }

  /** The bytes from `start` on, as they come; a file that is not read to its end is closed. */
  async *read(start = 0): AsyncGenerator<Buffer> {
    if (this.#bytes !== null) {
      if (start < this.#bytes.length) yield this.#bytes.subarray(start);
      return;
    }
    for (let at = start; at < this.sizeBytes; ) {
      await this.reach(Math.min(at + SEGMENT_BYTES, this.sizeBytes));
      const end = this.#available - 1;
      const chunks = createReadStream(this.path, { start: at, end, highWaterMark: CHUNK_BYTES });
      for await (const chunk of lying('bytes', chunks)) {
        at += chunk.length;
        yield chunk;
        countDiscardedBytes(chunk.length);
      }
      if (at !== end + 1) throw spoolCut(at, end + 1);
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

  #tell(): void {
    for (const listener of [...this.#listeners]) listener();
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
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  await writeFile(path, bytes, { mode: 0o600 });
}
