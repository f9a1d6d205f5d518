import { createReadStream } from 'node:fs';

/** What is read in one go of a file that still grows. */
const SEGMENT_BYTES = 1 << 20;
/** As the object's own chunks: the larger they are, the fewer turns, and the more memory. */
const CHUNK_BYTES = 64 * 1024;

/** What another thread needs to know to read the same file. */
export interface SpooledState {
  path: string;
  sizeBytes: number;
  available: number;
}

/** An object on the worker's disk, of which more bytes may still be on their way: who reads on waits for them. */
export class SpooledFile {
  readonly path: string;
  /** When all of it is there. */
  readonly sizeBytes: number;
  #available: number;
  #failure: unknown;
  readonly #listeners = new Set<() => void>();

  constructor({ path, sizeBytes, available }: SpooledState) {
    this.path = path;
    this.sizeBytes = sizeBytes;
    this.#available = available;
  }

  /** Bytes that can be read now. */
  get available(): number {
    return this.#available;
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
    this.#available = available;
    this.#tell();
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
    await this.#reach(this.sizeBytes);
  }

  /** The bytes from `start` on, as they come; a file that is not read to its end is closed. */
  async *read(start = 0): AsyncGenerator<Buffer> {
    for (let at = start; at < this.sizeBytes; ) {
      await this.#reach(Math.min(at + SEGMENT_BYTES, this.sizeBytes));
      const end = this.#available - 1;
      for await (const chunk of createReadStream(this.path, { start: at, end, highWaterMark: CHUNK_BYTES })) {
        yield chunk;
      }
      at = end + 1;
    }
  }

  async #reach(bytes: number): Promise<void> {
    while (this.#available < bytes) {
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
