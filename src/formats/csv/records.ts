/** Reads the header of a CSV file, and passes its records on while checking them. */
import { checkRowLimit } from '../row_limit.ts';
import { type CsvDialect, dialectBytes } from './dialect.ts';
import { decodeName, startsWithMark } from './encoding.ts';
import { END_MARKER, endMarkerFound } from './end_marker.ts';
import { splitRecord, unquoteInto } from './fields.ts';
import { type Newline, RECORD_END, RecordScanner, type RowsStart, type ScanOptions } from './scanner.ts';

export { rewriteRecords } from './rewrite.ts';

const NO_BYTES: Buffer = Buffer.alloc(0);

export interface Header {
  /** The names, unquoted and decoded; null if there were no bytes. Without a header, only their number is meaningful. */
  fields: string[] | null;
  /** The number of lines in the header: the `lineOffset` of `rest`. */
  lines: number;
  /** How the header ended. COPY refuses rows with another line end. Null if the file ended first. */
  newline: Newline | null;
  /** How many bytes come before `rest`. */
  bytes: number;
  /** The bytes after the header. To release the source, read them all, or call the iterator's `return`. */
  rest: AsyncIterable<Buffer>;
}

/**
 * Returns the first record as fields, and the rest. Removes a byte order mark.
 *
 * @param chunks as `toScannable` returns them
 * @throws ConnectorError as `RecordScanner`, and `invalid_encoding`, `unsupported_encoding`
 */
export async function readHeader(
  chunks: AsyncIterable<Buffer>,
  dialect: CsvDialect,
  maxRowBytes: number,
): Promise<Header> {
  const bytes = dialectBytes(dialect);
  const scanner = new RecordScanner(bytes, { maxRowBytes, fields: 'count' });
  const source = chunks[Symbol.asyncIterator]();
  try {
    const recordChunks: Buffer[] = [];
    let rest = NO_BYTES;
    let read = 0;
    for (let ended = false; !ended; ) {
      const { done, value: chunk } = await source.next();
      if (!done) scanner.load(chunk);
      read += chunk?.length ?? 0;
      ended = (done ? scanner.finish() : scanner.next()) === RECORD_END || done === true;
      if (!done) recordChunks.push(chunk.subarray(scanner.start, scanner.end));
      if (!done && ended) rest = chunk.subarray(scanner.at);
    }
    const record = withoutMark(Buffer.concat(recordChunks), dialect);
    const fields = splitRecord(record, bytes).map((raw) => {
      const value = Buffer.alloc(raw.length);
      const name = value.subarray(0, unquoteInto(value, raw, bytes));
      return dialect.header ? decodeName(name, dialect.encoding) : name.toString('latin1');
    });
    const empty = record.length === 0 && scanner.newline === null;
    return {
      fields: empty ? null : fields,
      lines: scanner.lines,
      newline: scanner.newline,
      bytes: read - rest.length,
      rest: resume(rest, source),
    };
  } catch (error) {
    await source.return?.();
    throw error;
  }
}

function withoutMark(record: Buffer, { encoding }: CsvDialect): Buffer {
  return startsWithMark(record, encoding) ? record.subarray(3) : record;
}

/** Not a generator, because a generator that was never started would not release its source. */
function resume(first: Buffer, source: AsyncIterator<Buffer>): AsyncIterableIterator<Buffer> {
  let pending = first;
  return {
    [Symbol.asyncIterator]() {
      return this;
    },
    async next() {
      if (pending.length === 0) return source.next();
      const value = pending;
      pending = NO_BYTES;
      return { done: false, value };
    },
    async return() {
      pending = NO_BYTES;
      await source.return?.();
      return { done: true, value: undefined };
    },
  };
}

/**
 * Passes the bytes through unchanged, and returns the number of rows. Throws before PostgreSQL sees a row that is too
 * long, a NUL character, or the end marker.
 *
 * @throws ConnectorError `end_of_data_marker`, `too_many_rows`, and as `RecordScanner`
 */
export async function* limitRows(
  chunks: AsyncIterable<Buffer> | Iterable<Buffer>,
  dialect: CsvDialect,
  options: RowsStart & Pick<ScanOptions, 'strays'> & { maxRowBytes: number; maxRows?: number | null },
): AsyncGenerator<Buffer, number> {
  const bytes = dialectBytes(dialect);
  const scanner = new RecordScanner(bytes, { ...options, fields: 'ignore' });
  /** Follows `scanner`, but counts fields: only needed in the record that spans two chunks. */
  let counter = new RecordScanner(bytes, { ...options, fields: 'count' });
  /** The start of that record, no longer than the end marker. */
  let head = NO_BYTES;
  let rows = 0;
  for await (const chunk of chunks) {
    if (chunk.includes(0)) scanToError(counter, chunk);
    scanner.load(chunk);
    let ended = false;
    while (scanner.next() === RECORD_END) {
      ended = true;
      rows++;
      if (scanner.size === END_MARKER.length) {
        const record = Buffer.concat([head, chunk.subarray(scanner.start, scanner.end)]);
        if (record.equals(END_MARKER)) throw endMarkerFound(scanner.line);
      }
      head = NO_BYTES;
    }
    head = Buffer.concat([head, chunk.subarray(scanner.start, scanner.end).subarray(0, 2)]).subarray(0, 2);
    if (ended) {
      const lineOffset = (options.lineOffset ?? 0) + scanner.lines;
      counter = new RecordScanner(bytes, {
        ...options,
        lineOffset,
        newline: scanner.newline,
        fields: 'count',
      });
    }
    counter.load(ended ? chunk.subarray(scanner.start) : chunk);
    counter.next();
    checkRowLimit(rows, options.maxRows ?? null);
    yield chunk;
  }
  return scanner.finish() === RECORD_END ? rows + 1 : rows;
}

/** Scans a chunk that has a NUL character, so that the scanner throws there or before. */
function scanToError(scanner: RecordScanner, chunk: Buffer): void {
  scanner.load(chunk);
  while (scanner.next() === RECORD_END);
}
