/** The "input window" holds the bytes of a file that were read and are not used yet, in one piece. */

/** Uses the same memory again and again. Only a record that is longer than it gets memory of its own. */
export class InputWindow {
  readonly #memory: Buffer;
  #bytes: Buffer;
  /** What `#bytes` is the start of. */
  #current: Buffer;

  constructor(memory: Buffer) {
    this.#memory = memory;
    this.#current = memory;
    this.#bytes = memory.subarray(0, 0);
  }

  /** Valid until the next `reserve`. */
  get bytes(): Buffer {
    return this.#bytes;
  }

  /** Returns the memory after the bytes, to be filled before `commit`. */
  reserve(length: number): Buffer {
    const rest = this.#bytes;
    const size = rest.length + length;
    this.#current = size <= this.#memory.length ? this.#memory : Buffer.allocUnsafeSlow(size);
    // They may overlap.
    rest.copy(this.#current);
    this.#bytes = this.#current.subarray(0, rest.length);
    return this.#current.subarray(rest.length, size);
  }

  /** Adds the first `length` bytes of what `reserve` returned. */
  commit(length: number): void {
    this.#bytes = this.#current.subarray(0, this.#bytes.length + length);
  }

  /** Removes the first bytes. */
  use(length: number): void {
    this.#bytes = this.#bytes.subarray(length);
  }
}
