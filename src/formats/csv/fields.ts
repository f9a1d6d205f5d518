import type { DialectBytes } from './dialect.ts';
import { CHUNK_END, RecordScanner } from './scanner.ts';

/** The raw bytes of each field of one whole record, the record's end not among them. */
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
 * A field's value: quotes taken off, also in mid-field, and escapes undone, as CopyReadAttributesCSV does
 * (src/backend/commands/copyfromparse.c). Writes into `target`, which holds at least `raw.length` bytes.
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
      // What follows a lead byte is no quote, whatever it looks like.
      if (following !== undefined && bytes.leads.includes(byte)) {
        target[length++] = following;
        at++;
      }
    }
  }
  return length;
}
