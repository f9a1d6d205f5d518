import { addAbortSignal } from 'node:stream';
import pg from 'pg';
import { type Entry, openEntries } from '../compression/entries.ts';
import { readBatches } from './csv/batches.ts';
import { type CsvDialect, copyEncoding } from './csv/dialect.ts';
import { decodeRow, toScannable } from './csv/encoding.ts';
import { columnName, inferColumns } from './csv/infer.ts';
import { type Header, limitRows, readHeader, rewriteRecords } from './csv/records.ts';
import { type Newline, newlineBytes, type RowsStart } from './csv/scanner.ts';
import type {
  CopyInput,
  CopyPlan,
  FileColumn,
  FileFormat,
  FilePart,
  FormatSettings,
  RowBatch,
} from './format.ts';

/** How many times larger than max_file_bytes a file may become when it is expanded. */
const MAX_EXPANSION = 20;

/**
 * CSV. Its bytes go to COPY as they are, so that PostgreSQL itself parses every value; each entry of an archive is
 * a part of its own. Columns that have no place are cut out of the records, again without touching the others.
 */
export const csv: FileFormat = {
  async *parts(path, settings, _worker, signal) {
    const limits = { maxExpandedBytes: settings.max_file_bytes * MAX_EXPANSION };
    for await (const entry of openEntries(path, limits)) {
      const part = new CsvPart(entry, settings, signal);
      // An entry without a byte has no rows, and no header to compare either.
      if (await part.readFirst()) yield part;
    }
  },
};

class CsvPart implements FilePart {
  readonly unit = 'line';
  readonly name: string | null;
  columnNames: string[] | null = null;
  columnCount = 0;
  readonly #entry: Entry;
  readonly #dialect: CsvDialect;
  readonly #maxRowBytes: number;
  readonly #signal: AbortSignal;
  #header: Header | undefined;

  constructor(entry: Entry, settings: FormatSettings, signal: AbortSignal) {
    this.name = entry.name;
    this.#entry = entry;
    this.#dialect = toDialect(settings);
    this.#maxRowBytes = settings.max_row_bytes;
    this.#signal = signal;
  }

  /** Looks at the first record for columns; false where there is none. */
  async readFirst(): Promise<boolean> {
    const header = await this.#open();
    await close(header.rest);
    if (header.fields === null) return false;
    this.#header = header;
    this.columnCount = header.fields.length;
    if (this.#dialect.header) {
      this.columnNames = header.fields.map((name, position) => name || columnName(position));
    }
    return true;
  }

  async inferColumns(): Promise<FileColumn[] | null> {
    let bytes = 0;
    const rows = this.#rows();
    const counted = async function* () {
      for await (const chunk of rows) {
        bytes += chunk.length;
        yield chunk;
      }
    };
    const columns = await inferColumns(counted(), this.#dialect, {
      names: this.columnNames,
      maxRowBytes: this.#maxRowBytes,
      ...this.#rowsStart(),
    });
    return bytes === 0 ? null : columns;
  }

  copyInput(plan: CopyPlan): CopyInput {
    return this.#inputOf(this.#rows(), plan, this.#rowsStart());
  }

  async *batches(plan: CopyPlan): AsyncGenerator<RowBatch> {
    const options = { maxRowBytes: this.#maxRowBytes, ...this.#rowsStart() };
    for await (const { bytes, offsets, lines } of readBatches(this.#rows(), this.#dialect, options)) {
      const slice = (start: number, end: number) => bytes.subarray(offsets[start], offsets[end]);
      yield {
        count: offsets.length - 1,
        refusals: [],
        copyInput: (start, end) =>
          this.#inputOf([slice(start, end)], plan, { ...this.#rowsStart(), lineOffset: lines[start]! - 1 }),
        rowAt: (line) => lastAtMost(lines, line, offsets.length - 2),
        line: (row) => lines[row]!,
        raw: (row) => decodeRow(slice(row, row + 1), this.#dialect.encoding),
      };
    }
  }

  #inputOf(rows: AsyncIterable<Buffer> | Iterable<Buffer>, plan: CopyPlan, start: RowsStart): CopyInput {
    return {
      options: `${copyOptions(this.#dialect)}, header`,
      // The empty line in front of the rows.
      firstLine: start.lineOffset ?? 0,
      unit: this.unit,
      data: withEmptyLine(this.#copyData(rows, plan, start), this.#newline),
    };
  }

  get #newline(): Newline | null {
    return this.#header?.newline ?? null;
  }

  #copyData(
    rows: AsyncIterable<Buffer> | Iterable<Buffer>,
    plan: CopyPlan,
    start: RowsStart,
  ): AsyncIterable<Buffer> {
    const options = { maxRowBytes: this.#maxRowBytes, ...start };
    if (plan.columns.length === this.columnCount && plan.constant === null) {
      return limitRows(rows, this.#dialect, options);
    }
    return rewriteRecords(rows, this.#dialect, {
      ...options,
      keep: plan.columns.map((column) => column.position),
      append: plan.constant && Buffer.from(plan.constant.value),
      expectedFields: this.columnCount,
    });
  }

  /** The records after the header, from the start, as bytes. */
  async *#rows(): AsyncGenerator<Buffer> {
    if (this.#dialect.header) yield* (await this.#open()).rest;
    else yield* this.#scannable();
  }

  #rowsStart(): RowsStart {
    const lineOffset = this.#dialect.header ? (this.#header?.lines ?? 0) : 0;
    return { lineOffset, newline: this.#newline };
  }

  #open(): Promise<Header> {
    return readHeader(this.#scannable(), this.#dialect, this.#maxRowBytes);
  }

  #scannable(): AsyncIterable<Buffer> {
    return toScannable(addAbortSignal(this.#signal, this.#entry.open()), this.#dialect.encoding);
  }
}

/**
 * COPY counts the newlines within quotes of the file's kind, and knows that kind only after the first line. So it is
 * given an empty one, as a header.
 */
async function* withEmptyLine(rows: AsyncIterable<Buffer>, newline: Newline | null): AsyncGenerator<Buffer> {
  yield newlineBytes(newline);
  yield* rows;
}

/** The last index, up to `last`, whose value is at most `limit`, in ascending values. */
function lastAtMost(values: number[], limit: number, last: number): number {
  let low = 0;
  let high = last;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (values[middle]! <= limit) low = middle;
    else high = middle - 1;
  }
  return low;
}

async function close(chunks: AsyncIterable<unknown>): Promise<void> {
  await chunks[Symbol.asyncIterator]().return?.();
}

function toDialect(settings: FormatSettings): CsvDialect {
  return {
    delimiter: settings.csv_delimiter,
    quote: settings.csv_quote,
    escape: settings.csv_escape,
    nullText: settings.csv_null,
    encoding: settings.csv_encoding,
    header: settings.csv_skip_header,
  };
}

function copyOptions(dialect: CsvDialect): string {
  const options = {
    delimiter: dialect.delimiter,
    quote: dialect.quote,
    escape: dialect.escape,
    null: dialect.nullText,
    encoding: copyEncoding(dialect),
  };
  const list = Object.entries(options).map(([name, value]) => `${name} ${pg.escapeLiteral(value)}`);
  return ['format csv', ...list].join(', ');
}
