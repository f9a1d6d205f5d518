/** Opens an entry of a CSV file as scannable bytes. */
import { addAbortSignal } from 'node:stream';
import type { Entry } from '../../compression/entries.ts';
import type { CsvDialect } from './dialect.ts';
import { toScannable, withoutMark } from './encoding.ts';
import { type Header, readHeader } from './records.ts';

/** An entry of a file, and how to read it. */
export interface RowsSource {
  entry: Entry;
  dialect: CsvDialect;
  maxRowBytes: number;
  signal?: AbortSignal;
}

/** Returns the entry's first record, and the bytes after it. */
export function openHeader(source: RowsSource): Promise<Header> {
  return readHeader(scannable(source), source.dialect, source.maxRowBytes);
}

/** Yields the bytes after the header; without one, all bytes except a byte order mark. */
export async function* openRows(source: RowsSource): AsyncGenerator<Buffer> {
  if (source.dialect.header) yield* (await openHeader(source)).rest;
  else yield* withoutMark(scannable(source), source.dialect.encoding);
}

function scannable({ entry, dialect, signal }: RowsSource): AsyncIterable<Buffer> {
  const bytes = entry.open();
  return toScannable(signal ? addAbortSignal(signal, bytes) : bytes, dialect.encoding);
}
