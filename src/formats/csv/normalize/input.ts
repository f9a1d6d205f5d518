/** The bytes of a file that a normalizer has not taken yet. */

/** Bytes from `at` on. Chunks wait outside of them until there are enough, so that a long record is not split again for each chunk. */
export class Input {
  bytes: Buffer = Buffer.alloc(0);
  at = 0;
  /** Whether no more bytes come. */
  atEnd = false;
  readonly #maxRecordBytes: number;
  #waiting: Buffer[] = [];
  #waitingBytes = 0;
  #needed = 0;

  constructor(maxRecordBytes: number) {
    this.#maxRecordBytes = maxRecordBytes;
  }

  /** Returns whether there are enough bytes to go on. */
  append(chunk: Buffer): boolean {
    this.#waiting.push(chunk);
    this.#waitingBytes += chunk.length;
    if (this.bytes.length - this.at + this.#waitingBytes < this.#needed) return false;
    this.#join();
    return true;
  }

  end(): void {
    this.atEnd = true;
    this.#join();
  }

  /** Says that the record at `at` is not complete; returns false. */
  wait(): false {
    // Twice as many, so that it is split a few times; one byte more than allowed is enough to refuse it.
    this.#needed = Math.min(2 * (this.bytes.length - this.at), this.#maxRecordBytes + 1);
    return false;
  }

  #join(): void {
    const rest = this.bytes.subarray(this.at);
    const chunks = rest.length === 0 ? this.#waiting : [rest, ...this.#waiting];
    this.bytes = chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks);
    this.at = 0;
    this.#waiting = [];
    this.#waitingBytes = 0;
    this.#needed = 0;
  }
}
