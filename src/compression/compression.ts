import type { Readable } from 'node:stream';
import type { SpooledFile } from '../fetch/spooled_file.ts';

/** What an archive, or a file that is no archive, gives to be read. */
export interface Entry {
  /** Name inside an archive: data, never a path to use. Null for the file itself. */
  name: string | null;
  /**
   * A fresh stream of the expanded bytes from the start; may be called more than once, also after the iteration
   * has ended. It opens the file when it is first read and closes it when it ends or is destroyed.
   */
  open(): Readable;
}

export interface Limits {
  /** Of all entries together. */
  maxExpandedBytes: number;
}

/** One way in which files are compressed. A new one is one new file, and its line in COMPRESSIONS. */
export interface Compression {
  name: string;
  /** Whether a file is of this kind, by its first bytes; `MAGIC_BYTES` of them, fewer in a shorter file. */
  detect(start: Buffer): boolean;
  entries(file: SpooledFile, limits: Limits): AsyncIterable<Entry>;
}

/** How many first bytes of a file `detect` sees. */
export const MAGIC_BYTES = 10;

/** Of expanded chunks: as large as the chunks of a file that is not compressed; zlib's own 16 KiB cost more turns. */
export const CHUNK_BYTES = 64 * 1024;
