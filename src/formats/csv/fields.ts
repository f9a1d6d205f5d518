/** Splits a CSV record into fields, and unquotes fields. */
import type { DialectBytes } from './dialect.ts';
import { CHUNK_END, RecordScanner } from './scanner.ts';

/** Returns the raw bytes of each field of a record, given without its line end. */
export function splitRecord(record: Buffer, bytes: DialectBytes): Buffer[] {
  const scanner = new RecordScanner(bytes, { maxRowBytes: record.length, fields: 'stop' });
  const fields: Buffer[] = [];
  scanner.load(record);
  let stop: number;
  do {
    stop = scanner.next();
    fields.push(record.subarray(scanner.start, scanner.end));
  } while (stop !== CHUNK_END);
  return fields;
}

/**
 * Writes a field's value into `target`, which must hold at least `raw.length` bytes. Removes quotes, also in mid-field,
 * and escapes, as CopyReadAttributesCSV does (src/backend/commands/copyfromparse.c).
 *
 * @returns the number of bytes written
 */
export function unquoteInto(target: Uint8Array, raw: Uint8Array, bytes: DialectBytes): number {
  let length = 0;
  let inQuote = false;
  for (let at = 0; at < raw.length; at++) {
    const byte = raw[at] as number;
    const following = raw[at + 1];
    if (inQuote && byte === bytes.escape && (following === bytes.escape || following === bytes.quote)) {
      target[length++] = following;
      at++;
    } else if (byte === bytes.quote) {
      inQuote = !inQuote;
    } else {
      target[length++] = byte;
      // The byte after a lead byte is never a quote.
      if (following !== undefined && bytes.leads.includes(byte)) {
        target[length++] = following;
        at++;
      }
    }
  }
  return length;
}
