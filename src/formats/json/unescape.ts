/** Reads and writes the escapes of JSON strings. */

const BACKSLASH = 0x5c;
const LOWER_U = 0x75;
const QUOTE = 0x22;
const SPACE = 0x20;
const NAMED = new Map(
  [...'"\\/bfnrt'].map((char, i) => [char.charCodeAt(0), '"\\/\b\f\n\r\t'.charCodeAt(i)]),
);

/** Returns the bytes that a string stands for, in UTF-8. Its escapes are known to be right. */
export function unescapeString(raw: Uint8Array): Buffer {
  const to = Buffer.allocUnsafe(raw.length);
  return to.subarray(0, unescapeInto(to, raw, 0, raw.length));
}

/** Writes the bytes that a string stands for; returns their number, which is at most the string's. */
export function unescapeInto(to: Uint8Array, raw: Uint8Array, start: number, end: number): number {
  let length = 0;
  for (let at = start; at < end; ) {
    const byte = raw[at] as number;
    if (byte !== BACKSLASH) {
      to[length++] = byte;
      at++;
      continue;
    }
    const kind = raw[at + 1] as number;
    if (kind !== LOWER_U) {
      to[length++] = NAMED.get(kind) as number;
      at += 2;
      continue;
    }
    let code = hexAt(raw, at + 2);
    at += 6;
    if (code >= 0xd800 && code <= 0xdbff) {
      code = 0x10000 + ((code - 0xd800) << 10) + (hexAt(raw, at + 2) - 0xdc00);
      at += 6;
    }
    length = putCharacter(to, length, code);
  }
  return length;
}

function hexAt(raw: Uint8Array, at: number): number {
  let code = 0;
  for (let i = at; i < at + 4; i++) {
    const byte = raw[i] as number;
    code = code * 16 + (byte <= 0x39 ? byte - 0x30 : (byte | 0x20) - 0x61 + 10);
  }
  return code;
}

function putCharacter(to: Uint8Array, at: number, code: number): number {
  let end = at;
  if (code < 0x80) to[end++] = code;
  else if (code < 0x800) {
    to[end++] = 0xc0 | (code >> 6);
    to[end++] = 0x80 | (code & 0x3f);
  } else {
    if (code < 0x10000) to[end++] = 0xe0 | (code >> 12);
    else {
      to[end++] = 0xf0 | (code >> 18);
      to[end++] = 0x80 | ((code >> 12) & 0x3f);
    }
    to[end++] = 0x80 | ((code >> 6) & 0x3f);
    to[end++] = 0x80 | (code & 0x3f);
  }
  return end;
}

const SHORT = new Map([...'\b\f\n\r\t"\\'].map((char, i) => [char.charCodeAt(0), 'bfnrt"\\'[i]!]));

/** Returns a text as a JSON string, as PostgreSQL writes it: escape_json in src/backend/utils/adt/json.c. */
export function toJsonString(text: Uint8Array): Buffer {
  const parts: (string | Uint8Array)[] = ['"'];
  let from = 0;
  for (let at = 0; at < text.length; at++) {
    const byte = text[at]!;
    if (byte >= SPACE && byte !== QUOTE && byte !== BACKSLASH) continue;
    const short = SHORT.get(byte);
    parts.push(text.subarray(from, at));
    parts.push(short ? `\\${short}` : `\\u${byte.toString(16).padStart(4, '0')}`);
    from = at + 1;
  }
  parts.push(text.subarray(from), '"');
  return Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : part)));
}
