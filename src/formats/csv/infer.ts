/** Infers the type of each column of a CSV part by reading its rows. */
import { ConnectorError } from '../../errors.ts';
import { type ColumnGuess, ColumnKinds } from '../pg_text/column_kinds.ts';
import { LONGEST_TYPED_VALUE } from '../pg_text/type_rules.ts';
import { SampleEnd } from '../sample_end.ts';
import { type CsvDialect, type DialectBytes, dialectBytes } from './dialect.ts';
import { unquoteInto } from './fields.ts';
import { CHUNK_END, RECORD_END, RecordScanner, type RowsStart } from './scanner.ts';

export interface NamedGuess extends ColumnGuess {
  name: string;
}

export interface InferOptions extends RowsStart {
  /** The header's fields; if null, the first record sets the number of columns. */
  names: string[] | null;
  /** In bytes, without the record's line end. */
  maxRowBytes: number;
  /** Whether repeated names get numbers, because columns are matched by position. */
  numberDuplicates?: boolean;
  /** Stops after so many bytes. Default: reads all. */
  maxBytes?: number | undefined;
}

/**
 * Returns for each column the narrowest type that keeps every value. Ignores rows that are ragged or have a NUL character: COPY will
 * refuse them. Of a file whose end is missing, or that is not read to its end, it ignores the last record.
 *
 * @param chunks the bytes after the header, as `readHeader` and `toScannable` return them
 * @throws ConnectorError `duplicate_column`, and as `RecordScanner`
 */
export async function inferColumns(
  chunks: AsyncIterable<Buffer>,
  dialect: CsvDialect,
  options: InferOptions,
): Promise<NamedGuess[]> {
  const names = options.names && columnNames(options.names, options.numberDuplicates);
  const inference = new Inference(dialectBytes(dialect), options, names?.length ?? null);
  if (await readRows(chunks, inference, options.maxBytes)) inference.finish();
  return inference.columns.map((column, position) => ({
    name: names?.[position] ?? columnName(position),
    ...column,
  }));
}

/** Returns whether the end was reached. */
async function readRows(
  chunks: AsyncIterable<Buffer>,
  inference: Inference,
  maxBytes = Infinity,
): Promise<boolean> {
  let bytes = 0;
  try {
    for await (const chunk of chunks) {
      inference.chunk(chunk);
      bytes += chunk.length;
      if (bytes >= maxBytes) return false;
    }
    return true;
  } catch (error) {
    if (error instanceof SampleEnd) return false;
    throw error;
  }
}

/**
 * Returns the column names of a header. An empty name is replaced by `columnName`.
 *
 * @throws ConnectorError `duplicate_column`
 */
export function columnNames(header: string[], numberDuplicates = false): string[] {
  const names = header.map((name, position) => name || columnName(position));
  if (numberDuplicates) return numbered(names);
  const seen = new Set<string>();
  const twice = new Set(names.filter((name) => seen.size === seen.add(name).size));
  if (twice.size > 0) {
    const list = [...twice].map((name) => `"${name}"`).join(', ');
    throw new ConnectorError('duplicate_column', `expected unique column names, got ${list} more than once`, {
      hint: 'Pause the connector, set match_columns_by to position, resume it, then retry the file: the repeated names get numbers. Or rename the columns in the file.',
    });
  }
  return names;
}

/** Returns the names with a number after each repeated one: `a`, `a_2`. */
function numbered(names: string[]): string[] {
  const taken = new Set(names);
  const seen = new Set<string>();
  return names.map((name) => {
    let unique = name;
    if (seen.has(name)) for (let n = 2; taken.has(unique); n++) unique = `${name}_${n}`;
    seen.add(name);
    taken.add(unique);
    return unique;
  });
}

/** Returns the name for a column without one, by its position from 0. */
export const columnName = (position: number): string => `column${position + 1}`;

class Inference {
  readonly #bytes: DialectBytes;
  readonly #scanner: RecordScanner;
  readonly #kinds: ColumnKinds;
  /** The start of a field that the last chunk did not complete; text beyond a typed value's length is not kept. */
  readonly #cut = Buffer.alloc(4 * LONGEST_TYPED_VALUE);
  #cutLength = 0;
  readonly #unquoted = Buffer.alloc(4 * LONGEST_TYPED_VALUE);
  /** Whether the current chunk, and the current record, have a NUL character. */
  #chunkHasNul = false;
  #recordHasNul = false;

  constructor(bytes: DialectBytes, options: InferOptions, columnCount: number | null) {
    this.#bytes = bytes;
    const { maxRowBytes, lineOffset = 0, newline = null } = options;
    this.#scanner = new RecordScanner(bytes, {
      maxRowBytes,
      lineOffset,
      newline,
      fields: 'stop',
      passNul: true,
    });
    this.#kinds = new ColumnKinds(columnCount);
  }

  get columns(): ColumnGuess[] {
    return this.#kinds.columns();
  }

  chunk(chunk: Buffer): void {
    const scanner = this.#scanner;
    this.#chunkHasNul = chunk.includes(0);
    scanner.load(chunk);
    for (let stop = scanner.next(); stop !== CHUNK_END; stop = scanner.next()) {
      const position = stop === RECORD_END ? scanner.fields - 1 : scanner.field - 1;
      this.#field(chunk, position);
      if (stop === RECORD_END) this.#endRecord();
    }
    this.#keepCut(chunk);
    this.#findNul(chunk);
  }

  finish(): void {
    if (this.#scanner.finish() !== RECORD_END) return;
    this.#field(Buffer.alloc(0), this.#scanner.fields - 1);
    this.#endRecord();
  }

  #field(chunk: Buffer, position: number): void {
    const { start, end, quoted } = this.#scanner;
    this.#findNul(chunk);
    if (this.#cutLength > 0) {
      this.#keepCut(chunk);
      this.#value(position, this.#cut, 0, this.#cutLength, quoted);
      this.#cutLength = 0;
    } else {
      this.#value(position, chunk, start, end, quoted);
    }
  }

  #value(position: number, bytes: Buffer, start: number, end: number, quoted: boolean): void {
    const kinds = this.#kinds;
    if (!quoted) {
      if (this.#isNull(bytes, start, end)) kinds.setNull(position);
      else kinds.value(position, bytes, start, end);
    } else if (this.#onlyAround(bytes, start, end)) {
      kinds.value(position, bytes, start + 1, end - 1);
      // Every character may be escaped, and there are two quotes around.
    } else if (end - start > 2 * LONGEST_TYPED_VALUE + 2) {
      kinds.text(position, bytes, start, end);
    } else {
      kinds.value(
        position,
        this.#unquoted,
        0,
        unquoteInto(this.#unquoted, bytes.subarray(start, end), this.#bytes),
      );
    }
  }

  /** Whether the only quotes are those around the field, as in nearly all fields: then its text needs no copy. */
  #onlyAround(bytes: Buffer, start: number, end: number): boolean {
    const { quote, escape: escapeByte } = this.#bytes;
    if (bytes[start] !== quote || bytes[end - 1] !== quote) return false;
    for (let at = start + 1; at < end - 1; at++) {
      if (bytes[at] === quote || bytes[at] === escapeByte) return false;
    }
    return true;
  }

  #isNull(bytes: Buffer, start: number, end: number): boolean {
    const { nullText } = this.#bytes;
    if (end - start !== nullText.length) return false;
    return nullText.length === 0 || nullText.compare(bytes, start, end) === 0;
  }

  #endRecord(): void {
    this.#kinds.endRecord(this.#scanner.fields, this.#scanner.line, !this.#recordHasNul);
    this.#recordHasNul = false;
  }

  /** Looks for a NUL character in the field, or in the part of it that is in this chunk. */
  #findNul(chunk: Buffer): void {
    if (this.#chunkHasNul && chunk.subarray(this.#scanner.start, this.#scanner.end).includes(0))
      this.#recordHasNul = true;
  }

  #keepCut(chunk: Buffer): void {
    const { start, end } = this.#scanner;
    this.#cutLength += chunk.copy(this.#cut, this.#cutLength, start, end);
  }
}
