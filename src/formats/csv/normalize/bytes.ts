/** Small functions about the bytes of a record. */

const QUOTE = 0x22;

export function isBlank(raw: Buffer): boolean {
  return raw.every((byte) => byte === 0x20 || byte === 0x09);
}

export function countBytes(bytes: Buffer, counted: number): number {
  let count = 0;
  for (let at = bytes.indexOf(counted); at >= 0; at = bytes.indexOf(counted, at + 1)) count += 1;
  return count;
}

/** @param leads lead bytes: the byte after one belongs to the same character */
export function doubleQuotes(value: Buffer, leads: Uint8Array): Buffer {
  const doubled = Buffer.alloc(2 * value.length);
  let length = 0;
  for (let at = 0; at < value.length; at++) {
    const byte = value[at]!;
    doubled[length++] = byte;
    if (byte === QUOTE) doubled[length++] = QUOTE;
    // The byte after a lead byte is never a quote.
    else if (leads[byte] === 1 && at + 1 < value.length) doubled[length++] = value[++at]!;
  }
  return doubled.subarray(0, length);
}
