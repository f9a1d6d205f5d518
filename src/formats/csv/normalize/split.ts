/** Finds the records and fields of a file by the rules of its layout: CopyReadLineText in PostgreSQL's src/backend/commands/copyfromparse.c. */
import type { Newline } from '../scanner.ts';

/** A record within a buffer. */
export interface SplitRecord {
  /** The end of its bytes, and the start of the next record. */
  end: number;
  next: number;
  /** Where its fields end; the last ends at `end`. The delimiter follows each but the last. */
  fieldEnds: number[];
  /** How it ends; null for a last record without a line end. */
  newline: Newline | null;
}

export interface Layout {
  text: boolean;
  delimiter: Buffer;
  /** -1: no quotes. */
  quote: number;
  escape: number;
  /** Lead bytes: the byte after one belongs to the same character. */
  leads: Uint8Array;
}

/** The end of the bytes came in the middle of a record. */
export const INCOMPLETE = 'incomplete';
/** The end of the file came within quotes. */
export const UNTERMINATED = 'unterminated';

const LF = 0x0a;
const CR = 0x0d;
const BACKSLASH = 0x5c;

/**
 * Splits the record that starts at `from`.
 * @param atEnd whether no more bytes follow
 */
export function splitRecord(
  bytes: Buffer,
  from: number,
  layout: Layout,
  atEnd: boolean,
): SplitRecord | typeof INCOMPLETE | typeof UNTERMINATED {
  const { text, delimiter, quote, escape: escapeByte, leads } = layout;
  const first = delimiter[0]!;
  const fieldEnds: number[] = [];
  let inQuote = false;
  let at = from;
  while (at < bytes.length) {
    const byte = bytes[at]!;
    if (inQuote) {
      // If quote and escape are the same, a doubled quote closes and reopens the field.
      if (byte === escapeByte && byte !== quote && isEither(bytes[at + 1], escapeByte, quote)) at += 1;
      else if (byte === quote) inQuote = false;
      at += 1 + leads[byte]!;
    } else if (byte === first && bytes.subarray(at, at + delimiter.length).equals(delimiter)) {
      fieldEnds.push(at);
      at += delimiter.length;
    } else if (byte === first && !atEnd && at + delimiter.length > bytes.length) {
      return INCOMPLETE;
    } else if (byte === LF) {
      return { end: at, next: at + 1, fieldEnds: [...fieldEnds, at], newline: 'lf' };
    } else if (byte === CR) {
      if (at + 1 === bytes.length && !atEnd) return INCOMPLETE;
      const isPair = bytes[at + 1] === LF;
      return {
        end: at,
        next: at + (isPair ? 2 : 1),
        fieldEnds: [...fieldEnds, at],
        newline: isPair ? 'crlf' : 'cr',
      };
    } else if (text && byte === BACKSLASH) {
      at += 2 + (leads[bytes[at + 1]!] ?? 0);
    } else {
      if (byte === quote) inQuote = true;
      at += 1 + leads[byte]!;
    }
  }
  if (!atEnd) return INCOMPLETE;
  if (inQuote) return UNTERMINATED;
  return { end: bytes.length, next: bytes.length, fieldEnds: [...fieldEnds, bytes.length], newline: null };
}

function isEither(byte: number | undefined, one: number, other: number): boolean {
  return byte === one || byte === other;
}
