/** Reads the escapes of COPY's text format: https://www.postgresql.org/docs/current/sql-copy.html, under "Text Format". */

const BACKSLASH = 0x5c;
const NAMED = new Map([...'bfnrtv'].map((name, i) => [name.charCodeAt(0), [8, 12, 10, 13, 9, 11][i]!]));

/**
 * Returns a field's value: CopyReadAttributesText in src/backend/commands/copyfromparse.c.
 * @param leads lead bytes: the byte after one belongs to the same character, even if it looks like a backslash
 */
export function unescapeText(raw: Buffer, leads: Uint8Array): Buffer {
  if (!raw.includes(BACKSLASH)) return raw;
  const value = Buffer.alloc(raw.length);
  let length = 0;
  for (let at = 0; at < raw.length; at++) {
    let byte = raw[at]!;
    if (byte === BACKSLASH) {
      // Only the last byte of a file: COPY drops it.
      if (at + 1 === raw.length) break;
      const code = codeAfter(raw, at);
      if (code === undefined) {
        at += 1;
        byte = NAMED.get(raw[at]!) ?? raw[at]!;
      } else {
        at += code.length;
        byte = byteOf(code);
      }
    }
    value[length++] = byte;
    if (leads[raw[at]!] === 1 && at + 1 < raw.length) value[length++] = raw[++at]!;
  }
  return value.subarray(0, length);
}

/** Whether an escape of a field stands for a byte that is not ASCII. */
export function hasHighEscape(raw: Buffer, leads: Uint8Array): boolean {
  if (!raw.includes(BACKSLASH)) return false;
  for (let at = 0; at < raw.length; at++) {
    if (raw[at] === BACKSLASH) {
      const code = codeAfter(raw, at);
      if (code !== undefined && byteOf(code) >= 0x80) return true;
      at += code?.length ?? 1;
    }
    at += leads[raw[at]!] ?? 0;
  }
  return false;
}

/** Returns the digits of an escape that begins at `at`; undefined if it has none. */
function codeAfter(raw: Buffer, at: number): string | undefined {
  return /^(?:[0-7]{1,3}|x[0-9a-fA-F]{1,2})/.exec(raw.toString('latin1', at + 1, at + 4))?.[0];
}

function byteOf(code: string): number {
  return (code.startsWith('x') ? Number.parseInt(code.slice(1), 16) : Number.parseInt(code, 8)) & 0xff;
}
