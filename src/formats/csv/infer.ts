/** "Inference": finds the narrowest PostgreSQL type for each column of a CSV part by reading all its rows. */
import { ConnectorError } from '../../errors.ts';
import { joinKinds, TEXT, textKindOf, typeOf, UNKNOWN } from '../pg_text/text_kinds.ts';
import { LONGEST_TYPED_VALUE } from '../pg_text/type_rules.ts';
import { type CsvDialect, type DialectBytes, dialectBytes } from './dialect.ts';
import { unquoteInto } from './fields.ts';
import { CHUNK_END, RECORD_END, RecordScanner, type RowsStart } from './scanner.ts';

export interface InferredColumn {
  name: string;
  /** The PostgreSQL type that accepts every value of the column, with DateStyle ISO. */
  type: string;
  nullable: boolean;
}

export interface InferOptions extends RowsStart {
  /** The header's fields; if null, the first record sets the number of columns. */
  names: string[] | null;
  /** In bytes, without the record's line end. */
  maxRowBytes: number;
  /** Whether repeated names get numbers, because columns are matched by position. */
  numberDuplicates?: boolean;
}

/**
 * Returns for each column the narrowest type that holds every value. Ignores rows that are ragged or have a NUL character: COPY will
 * refuse them.
 *
 * @param chunks the bytes after the header, as `readHeader` and `toScannable` return them
 * @throws ConnectorError `duplicate_column`, and as `RecordScanner`
 */
export async function inferColumns(
  chunks: AsyncIterable<Buffer>,
  dialect: CsvDialect,
  options: InferOptions,
): Promise<InferredColumn[]> {
  const names = options.names && columnNames(options.names, options.numberDuplicates);
  const inference = new Inference(dialectBytes(dialect), options, names?.length ?? null);
  for await (const chunk of chunks) inference.chunk(chunk);
  return inference
    .finish()
    .map((column, position) => ({ name: names?.[position] ?? columnName(position), ...column }));
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
  /** Each column's kind so far, and whether it has a NULL. */
  #columns: Uint8Array | null;
  #nulls: Uint8Array;
  /** The kinds of the current record's values. */
  #record: Uint8Array;
  /** The start of a field that the last chunk did not complete; text beyond a typed value's length is not kept. */
  readonly #cut = Buffer.alloc(4 * LONGEST_TYPED_VALUE);
  #cutLength = 0;
  readonly #value = Buffer.alloc(4 * LONGEST_TYPED_VALUE);
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
    this.#columns = columnCount === null ? null : new Uint8Array(columnCount);
    this.#nulls = new Uint8Array(columnCount ?? 0);
    this.#record = new Uint8Array(columnCount ?? 16);
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

  finish(): { type: string; nullable: boolean }[] {
    if (this.#scanner.finish() === RECORD_END) {
      this.#field(Buffer.alloc(0), this.#scanner.fields - 1);
      this.#endRecord();
    }
    return Array.from(this.#columns ?? [], (kind, position) => ({
      type: typeOf(kind),
      nullable: kind === UNKNOWN || this.#nulls[position] === 1,
    }));
  }

  #field(chunk: Buffer, position: number): void {
    const { start, end, quoted } = this.#scanner;
    let kind: number;
    this.#findNul(chunk);
    const hint = this.#columns?.[position] ?? UNKNOWN;
    if (this.#cutLength > 0) {
      this.#keepCut(chunk);
      kind = this.#kindOf(this.#cut, 0, this.#cutLength, quoted, hint);
      this.#cutLength = 0;
    } else {
      kind = this.#kindOf(chunk, start, end, quoted, hint);
    }
    if (position >= this.#record.length) this.#grow(position);
    this.#record[position] = kind;
  }

  #kindOf(bytes: Buffer, start: number, end: number, quoted: boolean, hint: number): number {
    if (!quoted) return this.#isNull(bytes, start, end) ? UNKNOWN : textKindOf(bytes, start, end, hint);
    if (this.#onlyAround(bytes, start, end)) return textKindOf(bytes, start + 1, end - 1, hint);
    // Every character may be escaped, and there are two quotes around.
    if (end - start > 2 * LONGEST_TYPED_VALUE + 2) return TEXT;
    const length = unquoteInto(this.#value, bytes.subarray(start, end), this.#bytes);
    return textKindOf(this.#value, 0, length, hint);
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
    const count = this.#scanner.fields;
    if (this.#columns === null) {
      this.#columns = new Uint8Array(count);
      this.#nulls = new Uint8Array(count);
    }
    const columns = this.#columns;
    const hasNul = this.#recordHasNul;
    this.#recordHasNul = false;
    if (hasNul || count !== columns.length) return;
    for (let position = 0; position < count; position++) {
      const kind = this.#record[position] as number;
      if (kind === UNKNOWN) this.#nulls[position] = 1;
      columns[position] = joinKinds(columns[position] as number, kind);
    }
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

  /** Makes room for a record with more fields than any before; max_row_bytes limits their number. */
  #grow(position: number): void {
    const record = new Uint8Array(2 * position + 2);
    record.set(this.#record);
    this.#record = record;
  }
}
