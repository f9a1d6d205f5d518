/** Orders keys as S3 does: by their UTF-8 bytes (JavaScript's `<` goes by UTF-16 units, which differs). */
export function compareKeys(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

/** The later of two keys in S3's order; null stands before every key. */
export function laterKey(a: string | null, b: string | null): string | null {
  if (a === null || b === null) return a ?? b;
  return compareKeys(a, b) > 0 ? a : b;
}
