import pg from 'pg';
import { type Entry, openEntries } from '../compression/entries.ts';
import { type CsvDialect, copyEncoding } from './csv/dialect.ts';
import { toScannable } from './csv/encoding.ts';
import { columnName, inferColumns } from './csv/infer.ts';
import { type Header, limitRows, readHeader, rewriteRecords } from './csv/records.ts';
import type { CopyInput, CopyPlan, FileColumn, FileFormat, FilePart, FormatSettings } from './format.ts';

/** How many times larger than max_file_bytes a file may become when it is expanded. */
const MAX_EXPANSION = 20;

/**
 * CSV. Its bytes go to COPY as they are, so that PostgreSQL itself parses every value; each entry of an archive is
 * a part of its own. Columns that have no place are cut out of the records, again without touching the others.
 */
export const csv: FileFormat = {
  async *parts(path, settings) {
    const limits = { maxExpandedBytes: settings.max_file_bytes * MAX_EXPANSION };
    for await (const entry of openEntries(path, limits)) {
      const part = new CsvPart(entry, settings);
      // An entry without a byte has no rows, and no header to compare either.
      if (await part.readFirst()) yield part;
    }
  },
};

class CsvPart implements FilePart {
  readonly name: string | null;
  columnNames: string[] | null = null;
  columnCount = 0;
  readonly #entry: Entry;
  readonly #dialect: CsvDialect;
  readonly #maxRowBytes: number;
  #header: Header | undefined;

  constructor(entry: Entry, settings: FormatSettings) {
    this.name = entry.name;
    this.#entry = entry;
    this.#dialect = toDialect(settings);
    this.#maxRowBytes = settings.max_row_bytes;
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
    const { lineOffset } = this.#rowsStart();
    return {
      options: copyOptions(this.#dialect),
      firstLine: lineOffset + 1,
      unit: 'line',
      data: this.#copyData(plan),
    };
  }

  #copyData(plan: CopyPlan): AsyncIterable<Buffer> {
    const options = { maxRowBytes: this.#maxRowBytes, ...this.#rowsStart() };
    if (plan.columns.length === this.columnCount && plan.constant === null) {
      return limitRows(this.#rows(), this.#dialect, options);
    }
    return rewriteRecords(this.#rows(), this.#dialect, {
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

  #rowsStart(): { lineOffset: number; newline: Header['newline'] } {
    const header = this.#dialect.header ? this.#header : undefined;
    return { lineOffset: header?.lines ?? 0, newline: header?.newline ?? null };
  }

  #open(): Promise<Header> {
    return readHeader(this.#scannable(), this.#dialect, this.#maxRowBytes);
  }

  #scannable(): AsyncIterable<Buffer> {
    return toScannable(this.#entry.open(), this.#dialect.encoding);
  }
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
