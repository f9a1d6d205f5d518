/** Collects rewritten CSV records into large chunks. */
import type { DialectBytes } from './dialect.ts';
import { END_MARKER } from './end_marker.ts';
import { type Newline, newlineBytes } from './scanner.ts';

const CHUNK_BYTES = 128 * 1024;
/** Room for each new record, so that one as short as the end marker can be quoted in place. */
const HEAD_ROOM = 8;
/** Up to this many bytes, a loop is faster than a native copy. */
const SMALL_COPY = 24;

export class OutputChunks {
  #chunk = Buffer.allocUnsafe(CHUNK_BYTES);
  #length = 0;
  #recordStart = 0;
  #full: Buffer[] = [];

  byte(value: number): void {
    if (this.#length === this.#chunk.length) this.#newChunk(1);
    this.#chunk[this.#length++] = value;
  }

  write(source: Uint8Array, start: number, end: number): void {
    const size = end - start;
    if (size > this.#chunk.length - this.#length) this.#newChunk(size);
    const chunk = this.#chunk;
    let to = this.#length;
    if (size > SMALL_COPY) chunk.set(source.subarray(start, end), to);
    else for (let at = start; at < end; at++) chunk[to++] = source[at] as number;
    this.#length += size;
  }

  /**
   * Ends the record with a newline, and quotes it if it equals the end marker. An empty last record needs the newline:
   * COPY ignores it otherwise.
   *
   * @returns false if the record equals the end marker and quotes would change its value
   */
  endRecord(bytes: DialectBytes, newline: Newline | null): boolean {
    if (this.#length - this.#recordStart === END_MARKER.length && !this.#quoteMarker(bytes)) return false;
    for (const byte of newlineBytes(newline)) this.byte(byte);
    if (this.#chunk.length - this.#length < HEAD_ROOM) this.#newChunk(HEAD_ROOM);
    this.#recordStart = this.#length;
    return true;
  }

  /** Returns the full chunks, and forgets them. */
  full(): Buffer[] {
    const full = this.#full;
    this.#full = [];
    return full;
  }

  /** Returns the remaining chunks. */
  rest(): Buffer[] {
    this.#newChunk(0);
    return this.full();
  }

  #newChunk(room: number): void {
    if (this.#length > 0) this.#full.push(this.#chunk.subarray(0, this.#length));
    this.#chunk = Buffer.allocUnsafe(Math.max(CHUNK_BYTES, room));
    this.#length = 0;
    // A record that continues in a new chunk is longer than the marker.
    this.#recordStart = -CHUNK_BYTES;
  }

  #quoteMarker(bytes: DialectBytes): boolean {
    const at = this.#recordStart;
    if (!this.#chunk.subarray(at, this.#length).equals(END_MARKER)) return true;
    if (bytes.nullText.equals(END_MARKER) || bytes.escape === END_MARKER[1]) return false;
    this.#chunk[at] = bytes.quote;
    END_MARKER.copy(this.#chunk, at + 1);
    this.#chunk[at + 3] = bytes.quote;
    this.#length = at + 4;
    return true;
  }
}
