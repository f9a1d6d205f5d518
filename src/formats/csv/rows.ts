/** Opens an entry of a CSV file as scannable bytes. */
import { addAbortSignal } from 'node:stream';
import type { Entry } from '../../compression/entries.ts';
import type { CsvDialect } from './dialect.ts';
import { toScannable, withoutMark } from './encoding.ts';
import type { FirstBytes } from './other_kinds.ts';
import { type Header, readHeader } from './records.ts';

/** An entry of a file, and how to read it. */
export interface RowsSource {
  entry: Entry;
  dialect: CsvDialect;
  maxRowBytes: number;
  signal?: AbortSignal;
}

/**
 * Returns the entry's first record, and the bytes after it.
 * @param first gets the entry's first bytes, also if this fails
 */
export function openHeader(source: RowsSource, first?: FirstBytes): Promise<Header> {
  return readHeader(scannable(source, first), source.dialect, source.maxRowBytes);
}

/** Yields all bytes except a byte order mark. */
export function openAll(source: RowsSource): AsyncIterable<Buffer> {
  return withoutMark(scannable(source), source.dialect.encoding);
}

/** Yields the bytes after the header; without one, all bytes except a byte order mark. */
export async function* openRows(source: RowsSource): AsyncGenerator<Buffer> {
  if (source.dialect.header) yield* (await openHeader(source)).rest;
  else yield* openAll(source);
}

function scannable({ entry, dialect, signal }: RowsSource, first?: FirstBytes): AsyncIterable<Buffer> {
  const bytes = entry.open();
  const chunks = signal ? addAbortSignal(signal, bytes) : bytes;
  return toScannable(first ? first.watch(chunks) : chunks, dialect.encoding);
}
