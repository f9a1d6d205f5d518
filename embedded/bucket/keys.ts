/** S3's order of keys. */
const SURROGATE = /[\ud800-\udfff]/;

/**
 * Compares two keys in S3's order: by UTF-8 bytes, which is the order of code points. JavaScript's own order is by
 * UTF-16 units, and puts U+10000 and up before U+E000.
 */
export function compareKeys(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let index = 0; index < length; index += 1) {
    const left = a.charCodeAt(index);
    const right = b.charCodeAt(index);
    if (left !== right) return rank(left) - rank(right);
  }
  return a.length - b.length;
}

function rank(unit: number): number {
  if (unit >= 0xe000) return unit - 0x800;
  return unit >= 0xd800 ? unit + 0x2000 : unit;
}

/** Sorts keys in place, in S3's order. */
export function sortKeys(keys: string[]): void {
  // Without surrogates both orders are the same, and the built-in comparison is several times faster.
  if (keys.some((key) => SURROGATE.test(key))) keys.sort(compareKeys);
  else keys.sort();
}

/** Returns the first index at or after `from` whose key passes. All keys after a passing one must pass too. */
export function firstIndex(keys: readonly string[], passes: (key: string) => boolean, from = 0): number {
  let low = from;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (passes(keys[middle] as string)) high = middle;
    else low = middle + 1;
  }
  return low;
}
