/** Opens an entry of a CSV file as scannable bytes. */
import { abortable } from '../../abortable.ts';
import type { Entry } from '../../compression/entries.ts';
import type { Place } from '../../fetch/spooled_file.ts';
import type { CsvDialect } from './dialect.ts';
import { isScannable, toReplaced, toScannable, withoutMark } from './encoding.ts';
import { Normalizer } from './normalize/normalizer.ts';
import type { NormalizeRules } from './normalize/rules.ts';
import type { FirstBytes } from './other_kinds.ts';
import { type Header, readHeader } from './records.ts';
import type { StrayQuotes } from './stray_quotes.ts';

/** An entry of a file, and how to read it. */
export interface RowsSource {
  entry: Entry;
  /** Of the file, or of its normal form. */
  dialect: CsvDialect;
  /** Null: COPY reads the file as it is. */
  normalize: NormalizeRules | null;
  /** Of a record as `dialect` says. */
  maxRowBytes: number;
  signal?: AbortSignal | undefined;
  /** Passes records on that are bad with any values, so that they can be sorted out. */
  sorting?: boolean;
  /** Keeps the file's own records until the normalizer's `take`. */
  keeping?: boolean;
  /** Gets the first row with a stray quote, if the file is normalized. */
  strays?: StrayQuotes | undefined;
}

/** The bytes of an entry's rows. */
export interface Rows {
  bytes: AsyncGenerator<Buffer>;
  normalizer: Normalizer | null;
}

/**
 * Returns the entry's first record, and the bytes after it.
 * @param first gets the entry's first bytes, also if this fails
 */
export async function openHeader(
  source: RowsSource,
  first?: FirstBytes,
): Promise<Header & Pick<Rows, 'normalizer'>> {
  const { bytes, normalizer } = scannable(source, first);
  return { ...(await readHeader(bytes, source.dialect, source.maxRowBytes)), normalizer };
}

/** Yields all bytes except a byte order mark. */
export function openAll(source: RowsSource): AsyncIterable<Buffer> {
  return withoutMark(scannable(source).bytes, source.dialect.encoding);
}

/** Returns the bytes after the header; without one, all bytes except a byte order mark. */
export function openRows(source: RowsSource): Rows {
  const { bytes, normalizer } = scannable(source);
  const rows = async function* () {
    if (source.dialect.header) yield* (await readHeader(bytes, source.dialect, source.maxRowBytes)).rest;
    else yield* withoutMark(bytes, source.dialect.encoding);
  };
  return { bytes: rows(), normalizer };
}

/** Reads rows into the memory that `place` returns, and yields each part that was filled. */
export type FillMemory = (place: Place) => AsyncIterable<Buffer>;

/** Returns what reads the bytes after the header without a copy of them; null if they are converted, or have no header. */
export async function openRowsInto(source: RowsSource): Promise<FillMemory | null> {
  const { entry, dialect, normalize } = source;
  const { readInto } = entry;
  const asIs = normalize === null && dialect.replacedFrom === undefined && isScannable(dialect.encoding);
  if (!readInto || !asIs || !dialect.header) return null;
  const { bytes, rest } = await readHeader(scannable(source).bytes, dialect, source.maxRowBytes);
  await rest[Symbol.asyncIterator]().return?.();
  return (place) => readInto(bytes, place);
}

function scannable(
  { entry, dialect, normalize, signal, sorting = false, keeping = false, strays }: RowsSource,
  first?: FirstBytes,
): { bytes: AsyncIterable<Buffer>; normalizer: Normalizer | null } {
  const opened = entry.open();
  const chunks = signal ? abortable(signal, opened) : opened;
  const watched = first ? first.watch(chunks) : chunks;
  const { encoding, replacedFrom } = dialect;
  const bytes =
    replacedFrom === undefined ? toScannable(watched, encoding) : toReplaced(watched, replacedFrom);
  if (normalize === null) return { bytes, normalizer: null };
  const normalizer = new Normalizer(normalize, { sorting, keeping, strays });
  return { bytes: normalizer.read(bytes), normalizer };
}
