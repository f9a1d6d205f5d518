import { truncated } from './errors.ts';

/** Bytes that come in chunks, to be looked at and passed on by their number. */
export class Bytes {
  readonly #chunks: AsyncIterator<Buffer>;
  #held: Buffer = Buffer.alloc(0);
  /** Bytes passed or skipped so far. */
  position = 0;

  constructor(chunks: AsyncIterator<Buffer>) {
    this.#chunks = chunks;
  }

  /** The next bytes, which stay where they are; fewer than `length` only at the end. */
  async peek(length: number): Promise<Buffer> {
    while (this.#held.length < length) {
      const { done, value } = await this.#chunks.next();
      if (done) break;
      this.#held = this.#held.length === 0 ? value : Buffer.concat([this.#held, value]);
    }
    return this.#held.subarray(0, length);
  }

  /** @throws ConnectorError `truncated_zstd` */
  async *pass(length: number): AsyncGenerator<Buffer> {
    for (let left = length; left > 0; ) {
      if ((await this.peek(1)).length === 0) throw truncated();
      const piece = this.#held.subarray(0, left);
      this.#held = this.#held.subarray(piece.length);
      this.position += piece.length;
      left -= piece.length;
      yield piece;
    }
  }

  /** @throws ConnectorError `truncated_zstd` */
  async skip(length: number): Promise<void> {
    for await (const _ of this.pass(length));
  }
}
