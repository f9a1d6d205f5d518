/** Opens an entry of a CSV file as scannable bytes. */
import { addAbortSignal } from 'node:stream';
import type { Entry } from '../../compression/entries.ts';
import type { CsvDialect } from './dialect.ts';
import { toScannable } from './encoding.ts';
import { Normalizer } from './normalize/normalizer.ts';
import type { NormalizeRules } from './normalize/rules.ts';
import { type Header, readHeader } from './records.ts';

/** An entry of a file, and how to read it. */
export interface RowsSource {
  entry: Entry;
  /** Of the file, or of its normal form. */
  dialect: CsvDialect;
  /** Null: COPY reads the file as it is. */
  normalize: NormalizeRules | null;
  maxRowBytes: number;
  signal?: AbortSignal | undefined;
  /** Passes records on that are bad with any values, so that they can be sorted out. */
  sorting?: boolean;
}

/** The bytes of an entry's rows. */
export interface Rows {
  bytes: AsyncGenerator<Buffer>;
  normalizer: Normalizer | null;
}

/** Returns the entry's first record, and the bytes after it. */
export async function openHeader(source: RowsSource): Promise<Header & Pick<Rows, 'normalizer'>> {
  const { bytes, normalizer } = scannable(source);
  return { ...(await readHeader(bytes, source.dialect, source.maxRowBytes)), normalizer };
}

/** Returns the bytes after the header, or all bytes if there is no header. */
export function openRows(source: RowsSource): Rows {
  const { bytes, normalizer } = scannable(source);
  const rows = async function* () {
    if (source.dialect.header) yield* (await readHeader(bytes, source.dialect, source.maxRowBytes)).rest;
    else yield* bytes;
  };
  return { bytes: rows(), normalizer };
}

function scannable({ entry, dialect, normalize, maxRowBytes, signal, sorting = false }: RowsSource): {
  bytes: AsyncIterable<Buffer>;
  normalizer: Normalizer | null;
} {
  const opened = entry.open();
  const bytes = toScannable(signal ? addAbortSignal(signal, opened) : opened, dialect.encoding);
  if (normalize === null) return { bytes, normalizer: null };
  const normalizer = new Normalizer(normalize, { maxRowBytes, sorting });
  return { bytes: normalizer.read(bytes), normalizer };
}
