import { addAbortSignal } from 'node:stream';
import type { Entry } from '../../compression/entries.ts';
import type { CsvDialect } from './dialect.ts';
import { toScannable } from './encoding.ts';
import { type Header, readHeader } from './records.ts';

/** How an entry of a file is read. */
export interface RowsSource {
  entry: Entry;
  dialect: CsvDialect;
  maxRowBytes: number;
  signal?: AbortSignal;
}

/** The entry's first record, and what follows it. */
export function openHeader(source: RowsSource): Promise<Header> {
  return readHeader(scannable(source), source.dialect, source.maxRowBytes);
}

/** The records after the header, if there is one, from the start. */
export async function* openRows(source: RowsSource): AsyncGenerator<Buffer> {
  if (source.dialect.header) yield* (await openHeader(source)).rest;
  else yield* scannable(source);
}

function scannable({ entry, dialect, signal }: RowsSource): AsyncIterable<Buffer> {
  const bytes = entry.open();
  return toScannable(signal ? addAbortSignal(signal, bytes) : bytes, dialect.encoding);
}
