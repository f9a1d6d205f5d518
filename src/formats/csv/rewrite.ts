/** Rewrites CSV records for a table that lacks some of the file's columns, or has constants. */
import { ConnectorError } from '../../errors.ts';
import { checkRowLimit } from '../row_limit.ts';
import { type CsvDialect, type DialectBytes, dialectBytes } from './dialect.ts';
import { endMarkerFound } from './end_marker.ts';
import type { FileLines } from './normalize/file_lines.ts';
import { OutputChunks } from './output.ts';
import { CHUNK_END, RECORD_END, RecordScanner, type RowsStart, type ScanOptions } from './scanner.ts';

const LF = 0x0a;
const CR = 0x0d;

export interface RewriteOptions extends RowsStart, Pick<ScanOptions, 'strays'> {
  /** Positions of the fields to keep, from 0, in ascending order; null for all. */
  keep: number[] | null;
  /** CSV text to append to each record. */
  append: Buffer | null;
  /** Appends to each record, before that, the line on which it starts: given its index, and its line among these records. */
  lineAt?: ((record: number, line: number) => number) | undefined;
  expectedFields: number;
  /** In bytes, without the record's line end. */
  maxRowBytes: number;
  /** Null, the default: no limit. */
  maxRows?: number | null;
  /** Gets the lines of records that have fewer afterwards, because a field that is left out had line ends. */
  linesAfter?: FileLines | undefined;
  /** Maps a line of these records to the file's line. Default: the same line. */
  lineOf?: (line: number) => number;
}

/**
 * Yields the records with the kept fields and the constants; returns the number of records. Kept fields and line ends are
 * unchanged: COPY counts the same lines but for those of fields that are left out, see `linesAfter`. The encoding of dropped fields is not checked.
 *
 * @throws ConnectorError `ragged_row`, `end_of_data_marker`, `too_many_rows`, and as `RecordScanner`
 */
export async function* rewriteRecords(
  chunks: AsyncIterable<Buffer> | Iterable<Buffer>,
  dialect: CsvDialect,
  options: RewriteOptions,
): AsyncGenerator<Buffer, number> {
  const rewriter = new Rewriter(dialectBytes(dialect), options);
  for await (const chunk of chunks) {
    rewriter.chunk(chunk);
    checkRowLimit(rewriter.rows, options.maxRows ?? null);
    yield* rewriter.output.full();
  }
  rewriter.finish();
  yield* rewriter.output.rest();
  return rewriter.rows;
}

class Rewriter {
  readonly output = new OutputChunks();
  rows = 0;
  readonly #scanner: RecordScanner;
  readonly #bytes: DialectBytes;
  readonly #append: Buffer | null;
  readonly #expectedFields: number;
  readonly #lineOf: (line: number) => number;
  readonly #lineAt: RewriteOptions['lineAt'];
  readonly #linesAfter: FileLines | undefined;
  readonly #lineOffset: number;
  /** Line ends in the fields of the record that are left out, and in those of all records. */
  #dropped = 0;
  #lost = 0;
  /** 1 at the position of each field to keep. */
  readonly #keep: Uint8Array;

  #chunk: Uint8Array = new Uint8Array(0);
  /** Adjacent kept fields, which are copied together with their delimiters: a range of the chunk, or -1. */
  #runStart = -1;
  #runEnd = 0;
  /** Whether the record has a field in the output, and whether the current field began in an earlier chunk. */
  #started = false;
  #inField = false;

  constructor(bytes: DialectBytes, options: RewriteOptions) {
    this.#bytes = bytes;
    this.#append = options.append;
    this.#expectedFields = options.expectedFields;
    this.#lineOf = options.lineOf ?? ((line) => line);
    this.#lineAt = options.lineAt;
    this.#linesAfter = options.linesAfter;
    this.#lineOffset = options.lineOffset ?? 0;
    this.#keep = new Uint8Array(options.expectedFields).fill(options.keep === null ? 1 : 0);
    for (const position of options.keep ?? []) this.#keep[position] = 1;
    this.#scanner = new RecordScanner(bytes, {
      ...options,
      fields: options.keep === null ? 'count' : 'stop',
    });
  }

  chunk(chunk: Uint8Array): void {
    const scanner = this.#scanner;
    this.#chunk = chunk;
    scanner.load(chunk);
    for (let stop = scanner.next(); stop !== CHUNK_END; stop = scanner.next()) {
      if (stop === RECORD_END) this.#endRecord();
      else this.#takeField(scanner.field - 1);
    }
    if (scanner.inRecord) {
      this.#takeField(scanner.field, true);
      this.#inField = true;
      this.#copyRun();
    }
  }

  finish(): void {
    if (this.#scanner.finish() === RECORD_END) this.#endRecord();
  }

  #takeField(position: number, isOpen = false): void {
    if (this.#keep[position] === 1) {
      if (this.#runStart < 0) {
        if (this.#started && !this.#inField) this.output.byte(this.#bytes.delimiter);
        this.#runStart = this.#scanner.start;
        this.#started = true;
      }
      this.#runEnd = this.#scanner.end;
    } else {
      this.#copyRun();
      // A line end within a field is quoted.
      if (this.#linesAfter && (isOpen || this.#scanner.quoted)) this.#countDropped();
    }
    this.#inField = false;
  }

  #countDropped(): void {
    const { start, end, newline } = this.#scanner;
    const byte = newline === 'lf' || newline === null ? LF : CR;
    for (
      let at = this.#chunk.indexOf(byte, start);
      at >= 0 && at < end;
      at = this.#chunk.indexOf(byte, at + 1)
    )
      this.#dropped++;
  }

  #endRecord(): void {
    const { fields, line, newline } = this.#scanner;
    if (fields !== this.#expectedFields) throw raggedRow(this.#lineOf(line), this.#expectedFields, fields);
    this.#takeField(fields - 1);
    this.#copyRun();
    if (this.#lineAt) this.#appendField(quoteDigits(this.#lineAt(this.rows, line), this.#bytes));
    if (this.#append !== null) this.#appendField(this.#append);
    if (!this.output.endRecord(this.#bytes, newline)) throw endMarkerFound(this.#lineOf(line));
    this.#started = false;
    this.rows++;
    if (this.#dropped > 0) this.#noteLost();
  }

  /** COPY's errors are on the last line of a record. */
  #noteLost(): void {
    this.#lost += this.#dropped;
    this.#dropped = 0;
    const lastLine = this.#lineOffset + this.#scanner.lines;
    this.#linesAfter?.note(lastLine - this.#lost, lastLine);
  }

  #appendField(text: Uint8Array): void {
    if (this.#started) this.output.byte(this.#bytes.delimiter);
    this.output.write(text, 0, text.length);
    this.#started = true;
  }

  #copyRun(): void {
    if (this.#runStart >= 0) this.output.write(this.#chunk, this.#runStart, this.#runEnd);
    this.#runStart = -1;
  }
}

/** Quotes a number, because its digits may be the null, or the delimiter. */
function quoteDigits(value: number, { quote, escape: escapeByte }: DialectBytes): Uint8Array {
  const digits = Buffer.from(String(value));
  const escaped = [...digits].flatMap((byte) =>
    byte === quote || byte === escapeByte ? [escapeByte, byte] : [byte],
  );
  return Uint8Array.of(quote, ...escaped, quote);
}

export function raggedRow(line: number, expected: number, actual: number): ConnectorError {
  return new ConnectorError(
    'ragged_row',
    `expected ${expected} fields, got ${actual}, in the row that starts at line ${line}`,
    { line, hint: "Fix the row in the file, or update the connector's csv_delimiter or csv_quote." },
  );
}
