/** The interface of a "compression": how files are expanded to "entries". */
import type { Readable } from 'node:stream';
import type { Place, SpooledFile } from '../fetch/spooled_file.ts';

/** A file of an archive, or a whole file that is not an archive. */
export interface Entry {
  /** The name in the archive. Never use it as a path. Null for the file itself. */
  name: string | null;
  /** Its expanded size as the archive's directory says; absent if there is none. */
  sizeBytes?: number;
  /**
   * Returns a new stream of the expanded bytes. It may be called more than once, also after the iteration has ended. The
   * stream opens the file when it is first read, and closes it when it ends or is destroyed.
   */
  open(): Readable;
  /**
   * Reads the bytes from `start` on into the memory that `place` returns for so many bytes, and yields each part that was
   * filled. Absent if the bytes must be expanded.
   */
  readInto?(start: number, place: Place): AsyncIterable<Buffer>;
}

export interface Limits {
  /** For all entries together. */
  maxExpandedBytes: number;
}

/** A new compression is one new file, and a line in COMPRESSIONS. */
export interface Compression {
  name: string;
  /** Returns whether a file has this compression, by its first `MAGIC_BYTES` bytes, or all bytes of a shorter file. */
  detect(start: Buffer): boolean;
  entries(file: SpooledFile, limits: Limits): AsyncIterable<Entry>;
}

/** How many bytes `detect` gets. */
export const MAGIC_BYTES = 10;

/** The size of expanded chunks, the same as those of an uncompressed file. zlib's default of 16 KiB costs more turns. */
export const CHUNK_BYTES = 64 * 1024;
