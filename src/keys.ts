/** The order of "keys": S3's, by their UTF-8 bytes. */
/**
 * Compares keys by their UTF-8 bytes, which is the order of code points. JavaScript's `<` compares UTF-16 units, which puts
 * U+10000 and up before U+E000. Compares without encoding, because every key of a listing passes here.
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

/** Returns the rank of a UTF-16 unit. Surrogates rank after all others, because they encode U+10000 and up. */
function rank(unit: number): number {
  if (unit < 0xd800) return unit;
  return unit < 0xe000 ? unit + 0x10000 : unit;
}

/** Returns the later of two keys in S3's order. Null is before every key. */
export function laterKey(a: string | null, b: string | null): string | null {
  if (a === null || b === null) return a ?? b;
  return compareKeys(a, b) > 0 ? a : b;
}
