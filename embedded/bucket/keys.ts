const SURROGATE = /[\ud800-\udfff]/;

/**
 * S3's order of keys: by UTF-8 bytes, which is the order of code points. JavaScript's own order is by UTF-16
 * units and puts U+10000 and up before U+E000.
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

/** Sorts in place, in S3's order. */
export function sortKeys(keys: string[]): void {
  // Without surrogates both orders are the same, and the built-in comparison is several times faster.
  if (keys.some((key) => SURROGATE.test(key))) keys.sort(compareKeys);
  else keys.sort();
}

/** The first index at or after `from` whose key passes; once one passes, all later ones must. */
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
