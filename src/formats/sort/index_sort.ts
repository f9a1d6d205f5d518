/** Sorts indices of rows by their keys, which are fixed numbers of 32-bit words. */

/** Sequences that are shorter are made this long by insertion. */
const LEAST = 12;

/**
 * A stable merge sort of the sequences that are sorted already. Rows in order, or in the opposite order, take one pass: files
 * are often sorted by time.
 */
export class IndexSort {
  readonly #keys: Uint32Array;
  readonly #words: number;
  readonly #scratch: Uint32Array;

  /**
   * @param keys the key of row i is the `words` words from i * words on; the first word decides first
   * @param scratch as long as half of the longest range, at least
   */
  constructor(keys: Uint32Array, words: number, scratch: Uint32Array) {
    this.#keys = keys;
    this.#words = words;
    this.#scratch = scratch;
  }

  /** Sorts the indices from `from` to `to` (excluded). */
  sort(index: Uint32Array, from: number, to: number): void {
    let starts: number[] = [];
    for (let at = from; at < to; ) {
      starts.push(at);
      at = this.#sequence(index, at, to);
    }
    starts.push(to);
    while (starts.length > 2) {
      const merged: number[] = [];
      for (let i = 0; i + 1 < starts.length; i += 2) {
        merged.push(starts[i]!);
        if (i + 2 < starts.length) this.#merge(index, starts[i]!, starts[i + 1]!, starts[i + 2]!);
      }
      starts = [...merged, to];
    }
  }

  /** Makes a sorted sequence that starts at `from`; returns its end. */
  #sequence(index: Uint32Array, from: number, to: number): number {
    let end = from + 1;
    if (end >= to) return end;
    if (this.#isAfter(index[from]!, index[end]!)) {
      while (end < to && this.#isAfter(index[end - 1]!, index[end]!)) end++;
      index.subarray(from, end).reverse();
    } else {
      while (end < to && !this.#isAfter(index[end - 1]!, index[end]!)) end++;
    }
    const least = Math.min(from + LEAST, to);
    for (; end < least; end++) {
      const row = index[end]!;
      let at = end;
      for (; at > from && this.#isAfter(index[at - 1]!, row); at--) index[at] = index[at - 1]!;
      index[at] = row;
    }
    return end;
  }

  /** Merges two sorted sequences, of which the second starts at `middle`. */
  #merge(index: Uint32Array, from: number, middle: number, to: number): void {
    if (!this.#isAfter(index[middle - 1]!, index[middle]!)) return;
    // The shorter one is moved away.
    if (middle - from <= to - middle) this.#mergeUp(index, from, middle, to);
    else this.#mergeDown(index, from, middle, to);
  }

  #mergeUp(index: Uint32Array, from: number, middle: number, to: number): void {
    const left = this.#scratch;
    left.set(index.subarray(from, middle));
    const leftEnd = middle - from;
    let l = 0;
    let r = middle;
    let at = from;
    while (l < leftEnd && r < to) index[at++] = this.#isAfter(left[l]!, index[r]!) ? index[r++]! : left[l++]!;
    while (l < leftEnd) index[at++] = left[l++]!;
  }

  #mergeDown(index: Uint32Array, from: number, middle: number, to: number): void {
    const right = this.#scratch;
    right.set(index.subarray(middle, to));
    let l = middle - 1;
    let r = to - middle - 1;
    let at = to - 1;
    while (l >= from && r >= 0) index[at--] = this.#isAfter(index[l]!, right[r]!) ? index[l--]! : right[r--]!;
    while (r >= 0) index[at--] = right[r--]!;
  }

  #isAfter(a: number, b: number): boolean {
    const keys = this.#keys;
    const words = this.#words;
    let x = a * words;
    let y = b * words;
    for (const end = x + words; x < end; x++, y++) {
      const first = keys[x]!;
      const second = keys[y]!;
      if (first !== second) return first > second;
    }
    return false;
  }
}
