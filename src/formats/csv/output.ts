import type { DialectBytes } from './dialect.ts';
import { END_MARKER } from './end_marker.ts';
import { type Newline, newlineBytes } from './scanner.ts';

const BLOCK_BYTES = 128 * 1024;
/** Room at a record's start, so that a record as short as the end marker can still be quoted where it lies. */
const HEAD_ROOM = 8;
/** Below this a loop is quicker than the call of a native copy. */
const SMALL_COPY = 24;

/** Collects the bytes of records into big blocks. */
export class OutputBlocks {
  #block = Buffer.allocUnsafe(BLOCK_BYTES);
  #length = 0;
  #recordStart = 0;
  #full: Buffer[] = [];

  byte(value: number): void {
    if (this.#length === this.#block.length) this.#turn(1);
    this.#block[this.#length++] = value;
  }

  write(source: Uint8Array, start: number, end: number): void {
    const size = end - start;
    if (size > this.#block.length - this.#length) this.#turn(size);
    const block = this.#block;
    let to = this.#length;
    if (size > SMALL_COPY) block.set(source.subarray(start, end), to);
    else for (let at = start; at < end; at++) block[to++] = source[at] as number;
    this.#length += size;
  }

  /**
   * Ends the record, also the last one: if it is empty it would be none to COPY. A record that would read `\.` is
   * quoted.
   *
   * @returns false if it would read `\.` and quotes would change its value
   */
  endRecord(bytes: DialectBytes, newline: Newline | null): boolean {
    if (this.#length - this.#recordStart === END_MARKER.length && !this.#quoteMarker(bytes)) return false;
    for (const byte of newlineBytes(newline)) this.byte(byte);
    if (this.#block.length - this.#length < HEAD_ROOM) this.#turn(HEAD_ROOM);
    this.#recordStart = this.#length;
    return true;
  }

  /** The blocks that are full by now. */
  full(): Buffer[] {
    const full = this.#full;
    this.#full = [];
    return full;
  }

  /** What is left at the end. */
  rest(): Buffer[] {
    this.#turn(0);
    return this.full();
  }

  #turn(room: number): void {
    if (this.#length > 0) this.#full.push(this.#block.subarray(0, this.#length));
    this.#block = Buffer.allocUnsafe(Math.max(BLOCK_BYTES, room));
    this.#length = 0;
    // A record that goes on in a new block is longer than the marker.
    this.#recordStart = -BLOCK_BYTES;
  }

  #quoteMarker(bytes: DialectBytes): boolean {
    const at = this.#recordStart;
    if (!this.#block.subarray(at, this.#length).equals(END_MARKER)) return true;
    if (bytes.nullText.equals(END_MARKER) || bytes.escape === END_MARKER[1]) return false;
    this.#block[at] = bytes.quote;
    END_MARKER.copy(this.#block, at + 1);
    this.#block[at + 3] = bytes.quote;
    this.#length = at + 4;
    return true;
  }
}
