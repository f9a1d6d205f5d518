/** What the scanner and the header reader need to know about a CSV file's encoding. PostgreSQL converts the data itself. */
import { TextDecoder } from 'node:util';
import { ConnectorError } from '../../errors.ts';

/**
 * An encoding, found by PostgreSQL's name for it (src/common/encnames.c). As in PostgreSQL, only letters and digits of a
 * name count, in lower case.
 */
interface Encoding {
  /** The label for TextDecoder, which decodes header names; null if it has none. */
  label: string | null;
  /** Whether a byte is a lead byte: the next one belongs to the same character, even if it looks like ASCII. */
  isLead?: (byte: number) => boolean;
  /** Whether the bytes are converted to UTF-8 first, because PostgreSQL does not know the encoding. */
  transcoded?: boolean;
}

const highBit = (byte: number) => byte >= 0x80;
/** 0xA1-0xDF are the one-byte half-width katakana (pg_sjis_mblen in src/common/wchar.c). */
const shiftJisLead = (byte: number) => byte >= 0x80 && !(byte >= 0xa1 && byte <= 0xdf);

const utf8: Encoding = { label: 'utf-8' };
const shiftJis: Encoding = { label: 'shift_jis', isLead: shiftJisLead };
const big5: Encoding = { label: 'big5', isLead: highBit };
const gbk: Encoding = { label: 'gbk', isLead: highBit };
const uhc: Encoding = { label: 'windows-949', isLead: highBit };

/** Encodings that have lead bytes, or whose label cannot be derived from the name; see `find`. */
const ENCODINGS: Record<string, Encoding> = {
  utf8,
  unicode: utf8,
  utf16: { label: 'utf-16', transcoded: true },
  utf16le: { label: 'utf-16le', transcoded: true },
  utf16be: { label: 'utf-16be', transcoded: true },
  sjis: shiftJis,
  shiftjis: shiftJis,
  mskanji: shiftJis,
  win932: shiftJis,
  windows932: shiftJis,
  shiftjis2004: shiftJis,
  big5,
  win950: big5,
  windows950: big5,
  gbk,
  win936: gbk,
  windows936: gbk,
  // For the scanner, a four-byte character is two pairs of a lead byte and another.
  gb18030: { label: 'gb18030', isLead: highBit },
  uhc,
  win949: uhc,
  windows949: uhc,
  johab: { label: null, isLead: highBit },
  euccn: { label: 'gbk' },
  eucjp: { label: 'euc-jp' },
  eucjis2004: { label: 'euc-jp' },
  euckr: { label: 'euc-kr' },
  latin5: { label: 'iso-8859-9' },
  latin6: { label: 'iso-8859-10' },
  latin7: { label: 'iso-8859-13' },
  latin8: { label: 'iso-8859-14' },
  latin9: { label: 'iso-8859-15' },
  latin10: { label: 'iso-8859-16' },
  koi8: { label: 'koi8-r' },
  koi8r: { label: 'koi8-r' },
  koi8u: { label: 'koi8-u' },
  alt: { label: 'ibm866' },
  win866: { label: 'ibm866' },
  win: { label: 'windows-1251' },
};

function find(name: string): Encoding {
  const clean = name.toLowerCase().replace(/[^a-z0-9]/g, '');
  const known = ENCODINGS[clean];
  if (known) return known;
  const numbered = /^(win|windows|latin|iso8859)(\d+)$/.exec(clean);
  if (!numbered) return { label: null };
  return { label: numbered[1]?.startsWith('win') ? `windows-${numbered[2]}` : `iso-8859-${numbered[2]}` };
}

/** Returns COPY's ENCODING option for the output of `toScannable`. */
export function copyEncodingOf(name: string): string {
  const encoding = find(name);
  return encoding === utf8 || encoding.transcoded ? 'UTF8' : name;
}

/** Whether `toScannable` passes the bytes on as they are. */
export function isScannable(name: string): boolean {
  const { label, transcoded } = find(name);
  return !transcoded || label === null;
}

/** Whether the output of `toScannable` is UTF-8, and may begin with the byte order mark EF BB BF. */
export const isUtf8 = (name: string): boolean => copyEncodingOf(name) === 'UTF8';

const BYTE_ORDER_MARK = Buffer.from([0xef, 0xbb, 0xbf]);

/** Whether the output of `toScannable` starts with a byte order mark. */
export function startsWithMark(bytes: Buffer, name: string): boolean {
  return isUtf8(name) && bytes.subarray(0, BYTE_ORDER_MARK.length).equals(BYTE_ORDER_MARK);
}

/** Passes the output of `toScannable` on without a byte order mark at its start. */
export async function* withoutMark(chunks: AsyncIterable<Buffer>, name: string): AsyncGenerator<Buffer> {
  const { length } = BYTE_ORDER_MARK;
  let first: Buffer | null = Buffer.alloc(0);
  for await (const chunk of chunks) {
    if (first === null) {
      yield chunk;
      continue;
    }
    first = first.length === 0 ? chunk : Buffer.concat([first, chunk]);
    if (first.length < length) continue;
    const rest: Buffer = startsWithMark(first, name) ? first.subarray(length) : first;
    first = null;
    if (rest.length > 0) yield rest;
  }
  if (first !== null && first.length > 0) yield first;
}

/** Returns the lead bytes of an encoding. */
export function leadBytes(name: string): number[] {
  const { isLead } = find(name);
  return isLead ? Array.from({ length: 256 }, (_, byte) => byte).filter(isLead) : [];
}

/**
 * Converts UTF-16 to UTF-8. Other encodings pass unchanged, and PostgreSQL converts them. `utf-16` follows the byte order
 * mark, and is little-endian without one, as Windows writes it.
 *
 * @throws ConnectorError `invalid_encoding`
 */
export async function* toScannable(chunks: AsyncIterable<Buffer>, name: string): AsyncGenerator<Buffer> {
  const { label } = find(name);
  if (isScannable(name) || label === null) {
    yield* chunks;
    return;
  }
  let decoder: TextDecoder | null = null;
  let first: Buffer = Buffer.alloc(0);
  let offset = 0;
  const decode = (bytes: Buffer, stream: boolean): Buffer => {
    decoder ??= new TextDecoder(label === 'utf-16' ? byteOrder(bytes) : label, { fatal: true });
    try {
      return Buffer.from(decoder.decode(bytes, { stream }), 'utf8');
    } catch (cause) {
      throw invalidEncoding(name, `between bytes ${offset + 1} and ${offset + bytes.length}`, cause);
    }
  };
  for await (const chunk of chunks) {
    let bytes = chunk;
    if (decoder === null) {
      first = Buffer.concat([first, chunk]);
      if (first.length < 2) continue;
      bytes = first;
    }
    const text = decode(bytes, true);
    offset += bytes.length;
    if (text.length > 0) yield text;
  }
  const last = decode(decoder === null ? first : Buffer.alloc(0), false);
  if (last.length > 0) yield last;
}

/**
 * Converts any encoding to UTF-8, as browsers do. U+FFFD stands for bytes that are no text, and for NUL.
 *
 * @throws ConnectorError `unsupported_encoding`
 */
export async function* toReplaced(chunks: AsyncIterable<Buffer>, name: string): AsyncGenerator<Buffer> {
  const { label } = find(name);
  let decoder: TextDecoder | null = null;
  const decode = (bytes: Buffer, stream: boolean): Buffer => {
    decoder ??= replacingDecoder(label === 'utf-16' ? byteOrder(bytes) : label, name);
    return Buffer.from(decoder.decode(bytes, { stream }).replaceAll('\0', '\ufffd'), 'utf8');
  };
  let first: Buffer = Buffer.alloc(0);
  for await (const chunk of chunks) {
    first = decoder === null ? Buffer.concat([first, chunk]) : chunk;
    // The order of UTF-16 is in the first two bytes.
    if (decoder === null && first.length < 2) continue;
    const text = decode(first, true);
    if (text.length > 0) yield text;
  }
  const last = decode(decoder === null ? first : Buffer.alloc(0), false);
  if (last.length > 0) yield last;
}

function replacingDecoder(label: string | null, name: string): TextDecoder {
  try {
    return new TextDecoder(label ?? '', { ignoreBOM: label === 'utf-8' });
  } catch (cause) {
    throw new ConnectorError('unsupported_encoding', `bytes cannot be replaced in the encoding "${name}"`, {
      hint: 'Write the file in UTF-8, or set invalid_text of the file format to fail.',
      cause,
    });
  }
}

function byteOrder(start: Buffer): string {
  return start[0] === 0xfe && start[1] === 0xff ? 'utf-16be' : 'utf-16le';
}

/**
 * Decodes a header name.
 *
 * @throws ConnectorError `invalid_encoding`, `unsupported_encoding`
 */
export function decodeName(bytes: Buffer, name: string): string {
  if (bytes.every((byte) => byte < 0x80)) return bytes.toString('latin1');
  const { label, transcoded } = find(name);
  let decoder: TextDecoder;
  try {
    // The file's own byte order mark was removed before; another one is part of the name.
    decoder = new TextDecoder(transcoded ? 'utf-8' : (label ?? ''), { fatal: true, ignoreBOM: true });
  } catch (cause) {
    throw new ConnectorError('unsupported_encoding', `cannot read a header in the encoding "${name}"`, {
      hint: 'Write the file in UTF-8, or its header in ASCII.',
      cause,
    });
  }
  try {
    return decoder.decode(bytes);
  } catch (cause) {
    throw invalidEncoding(name, 'in the header', cause);
  }
}

/** Decodes a row for display, without its line end. Invalid bytes become replacement characters. */
export function decodeRow(bytes: Buffer, name: string): string {
  const { label, transcoded } = find(name);
  const decoder = new TextDecoder(transcoded ? 'utf-8' : (label ?? 'utf-8'), { ignoreBOM: true });
  return decoder.decode(bytes).replace(/\r?\n$|\r$/, '');
}

function invalidEncoding(name: string, where: string, cause: unknown): ConnectorError {
  return new ConnectorError('invalid_encoding', `the file is not valid ${name}: bad bytes ${where}`, {
    hint: "Update the connector's csv_encoding to the file's encoding.",
    cause,
  });
}
