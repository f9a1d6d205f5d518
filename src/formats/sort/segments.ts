/** Numbers the "segments" of rows: all rows with the same values of some fields. */

const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;
/** At first. Powers of two. */
const SLOTS = 1 << 10;
const BYTES = 1 << 12;
/** Four slots, each with a hash, and the end of its values. */
const BYTES_OF_SEGMENT = 4 * 8 + 8;

export class Segments {
  /** The number of segments so far. */
  count = 0;
  /** Of each slot: 0, or the segment's number plus one. */
  #slots = new Uint32Array(SLOTS);
  #hashes = new Uint32Array(SLOTS);
  /** The values of segment n are `#values` from `#ends[n - 1]` to `#ends[n]`. */
  #ends: number[] = [];
  #values = new Uint8Array(BYTES);
  #filled = 0;
  /** Consecutive rows are often of one segment. */
  #last = -1;

  /** How much memory they take, at most. */
  get bytes(): number {
    return this.#filled + this.count * BYTES_OF_SEGMENT;
  }

  /** Starts over, with the memory of before. */
  clear(): void {
    this.count = 0;
    this.#slots.fill(0);
    this.#ends = [];
    this.#filled = 0;
    this.#last = -1;
  }

  /** Returns the number of the segment whose values are in `bytes`, up to `length`. */
  number(bytes: Uint8Array, length: number): number {
    if (this.#last >= 0 && this.#isEqual(this.#last, bytes, length)) return this.#last;
    let hash = FNV_OFFSET;
    for (let i = 0; i < length; i++) hash = Math.imul(hash ^ bytes[i]!, FNV_PRIME);
    // Its low bits alone would depend on few bits of the values.
    hash = (hash ^ (hash >>> 15)) >>> 0;
    const mask = this.#slots.length - 1;
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const found = this.#slots[slot]! - 1;
      if (found >= 0 && !(this.#hashes[slot] === hash && this.#isEqual(found, bytes, length))) continue;
      this.#last = found >= 0 ? found : this.#add(slot, hash, bytes, length);
      return this.#last;
    }
  }

  #isEqual(segment: number, bytes: Uint8Array, length: number): boolean {
    const start = segment > 0 ? this.#ends[segment - 1]! : 0;
    if (this.#ends[segment]! - start !== length) return false;
    for (let i = 0; i < length; i++) if (this.#values[start + i] !== bytes[i]) return false;
    return true;
  }

  #add(slot: number, hash: number, bytes: Uint8Array, length: number): number {
    if (this.#filled + length > this.#values.length) this.#growValues(length);
    for (let i = 0; i < length; i++) this.#values[this.#filled + i] = bytes[i]!;
    this.#filled += length;
    this.#ends.push(this.#filled);
    this.#slots[slot] = ++this.count;
    this.#hashes[slot] = hash;
    if (this.count * 2 > this.#slots.length) this.#growSlots();
    return this.count - 1;
  }

  #growValues(length: number): void {
    const larger = new Uint8Array((this.#filled + length) * 2);
    larger.set(this.#values.subarray(0, this.#filled));
    this.#values = larger;
  }

  #growSlots(): void {
    const [slots, hashes] = [this.#slots, this.#hashes];
    const mask = slots.length * 2 - 1;
    this.#slots = new Uint32Array(mask + 1);
    this.#hashes = new Uint32Array(mask + 1);
    for (const [i, segment] of slots.entries()) {
      if (segment === 0) continue;
      let slot = hashes[i]! & mask;
      while (this.#slots[slot] !== 0) slot = (slot + 1) & mask;
      this.#slots[slot] = segment;
      this.#hashes[slot] = hashes[i]!;
    }
  }
}
