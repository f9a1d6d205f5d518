/**
 * The CSV format. Each entry of an archive is a part. COPY gets the file's own bytes, and PostgreSQL parses every value.
 * In large files, values whose parsing is certain are encoded as binary, which saves PostgreSQL the parsing.
 */
import { type Entry, type Limits, openEntries } from '../compression/entries.ts';
import { limitsOf } from '../compression/limits.ts';
import type { SpooledFile } from '../fetch/spooled_file.ts';
import { readBatches } from './csv/batches.ts';
import { toCopyInputs } from './csv/binary/copies.ts';
import { planSections } from './csv/binary/plan.ts';
import type { Section, SectionPlan } from './csv/binary/sections.ts';
import type { CsvDialect } from './csv/dialect.ts';
import { columnName, inferColumns } from './csv/infer.ts';
import { constantFields, rawInput } from './csv/raw.ts';
import { type Header, limitRows, rewriteRecords } from './csv/records.ts';
import type { RewriteOptions } from './csv/rewrite.ts';
import { type RowRules, toRowBatch } from './csv/row_batch.ts';
import { openHeader, openRows, type RowsSource } from './csv/rows.ts';
import type { RowsStart } from './csv/scanner.ts';
import type {
  CopyInput,
  CopyPlan,
  FileColumn,
  FileFormat,
  FilePart,
  FormatSettings,
  FormatTools,
  RowBatch,
} from './format.ts';
import type { RowBytes } from './row_bytes.ts';
import { checkRowLimit } from './row_limit.ts';

export const csv: FileFormat = {
  tailBytes: 0,
  async *parts(spooled, settings, tools, signal) {
    const limits = limitsOf(settings);
    let position = 0;
    for await (const entry of openEntries(spooled, limits)) {
      // A thread that reads an entry reads the archive's directory first, which costs more than a small entry is worth.
      const large = (entry.sizeBytes ?? spooled.sizeBytes) >= tools.config.encodeCsvFromBytes;
      const file = { spooled, limits, encoders: large ? tools.encoders : null, signal };
      const part = new CsvPart(file, entry, position++, settings);
      // An empty entry has no rows, and no header to compare.
      if (await part.readFirst()) yield part;
    }
  },
};

/** The file that a part belongs to. */
interface CsvFile {
  spooled: SpooledFile;
  limits: Limits;
  /** Null for an entry that is too small to be worth encoding. */
  encoders: FormatTools['encoders'] | null;
  signal: AbortSignal;
}

class CsvPart implements FilePart {
  readonly unit = 'line';
  readonly name: string | null;
  columnNames: string[] | null = null;
  columnCount = 0;
  readonly #file: CsvFile;
  /** The entry's position in the file, from 0. */
  readonly #position: number;
  readonly #source: RowsSource;
  readonly #dialect: CsvDialect;
  readonly #maxRowBytes: number;
  readonly #maxRows: number | null;
  readonly #timeZone: string;
  #header: Header | undefined;

  constructor(file: CsvFile, entry: Entry, position: number, settings: FormatSettings) {
    this.name = entry.name;
    this.#file = file;
    this.#position = position;
    this.#dialect = toDialect(settings);
    this.#maxRowBytes = settings.max_row_bytes;
    this.#maxRows = settings.max_rows;
    this.#timeZone = settings.time_zone;
    this.#source = { entry, dialect: this.#dialect, maxRowBytes: this.#maxRowBytes, signal: file.signal };
  }

  /** Reads the columns from the first record; returns false if the entry is empty. */
  async readFirst(): Promise<boolean> {
    const header = await openHeader(this.#source);
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
    const rows = openRows(this.#source);
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

  copyInputs(plan: CopyPlan): AsyncIterable<CopyInput> | Iterable<CopyInput> {
    const sections = this.#file.encoders && this.#planSections(plan);
    return sections
      ? toCopyInputs(this.#encode(sections, this.#file.encoders!), sections)
      : [this.#rawInput(plan)];
  }

  /** Returns the whole part in CSV format. */
  #rawInput(plan: CopyPlan): CopyInput {
    const rows = openRows(this.#source);
    const { newline, lineOffset } = this.#rowsStart();
    const data = this.#isWhole(plan)
      ? limitRows(rows, this.#dialect, {
          maxRowBytes: this.#maxRowBytes,
          maxRows: this.#maxRows,
          newline,
          lineOffset,
        })
      : this.#rewrite(rows, plan, { newline, lineOffset });
    return rawInput(data, this.#dialect, { newline, lineOf: (line) => lineOffset + line });
  }

  async *batches(plan: CopyPlan): AsyncGenerator<RowBatch> {
    const start = this.#rowsStart();
    const maxRowBytes = this.#maxRowBytes;
    const expectedFields = this.columnCount;
    const rewrite: RowRules['rewrite'] = this.#isWhole(plan)
      ? null
      : (records, lineOf) => this.#rewrite([records], plan, { newline: start.newline, lineOf });
    const rules = { dialect: this.#dialect, newline: start.newline, maxRowBytes, expectedFields };
    const options = { ...start, maxRowBytes, expectedFields };
    let rows = 0;
    for await (const records of readBatches(openRows(this.#source), this.#dialect, options)) {
      const batch = toRowBatch(records, { ...rules, rewrite });
      rows += batch.rowsRead;
      checkRowLimit(rows, this.#maxRows);
      yield batch;
    }
  }

  /** Whether COPY gets the records unchanged. */
  #isWhole(plan: CopyPlan): boolean {
    return plan.columns.length === this.columnCount && plan.constants.length === 0;
  }

  #rewrite(
    rows: AsyncIterable<Buffer> | Iterable<Buffer>,
    plan: CopyPlan,
    place: Pick<RewriteOptions, 'lineOffset' | 'newline' | 'lineOf'>,
  ): RowBytes {
    return rewriteRecords(rows, this.#dialect, {
      ...place,
      maxRowBytes: this.#maxRowBytes,
      maxRows: this.#maxRows,
      keep: plan.columns.map((column) => column.position),
      append: constantFields(plan.constants, this.#dialect),
      expectedFields: this.columnCount,
    });
  }

  #planSections(plan: CopyPlan): SectionPlan | null {
    return planSections(plan, {
      dialect: this.#dialect,
      columnCount: this.columnCount,
      start: this.#rowsStart(),
      timeZone: this.#timeZone,
      maxRowBytes: this.#maxRowBytes,
    });
  }

  async *#encode(
    plan: SectionPlan,
    encoders: NonNullable<CsvFile['encoders']>,
  ): AsyncGenerator<Section, undefined> {
    const { spooled, limits, signal } = this.#file;
    const encoder = await encoders.acquire(signal);
    try {
      let rows = 0;
      for await (const section of encoder.read(spooled, { limits, entry: this.#position, plan })) {
        rows += section.rows;
        checkRowLimit(rows, this.#maxRows);
        yield section;
      }
    } finally {
      encoders.release(encoder);
    }
  }

  #rowsStart(): Required<RowsStart> {
    const lineOffset = this.#dialect.header ? (this.#header?.lines ?? 0) : 0;
    return { lineOffset, newline: this.#header?.newline ?? null };
  }
}

async function close(chunks: AsyncIterable<unknown>): Promise<void> {
  await chunks[Symbol.asyncIterator]().return?.();
}

function toDialect({ format }: FormatSettings): CsvDialect {
  return {
    delimiter: format.csv_delimiter,
    quote: format.csv_quote,
    escape: format.csv_escape,
    nullText: format.null_values[0] ?? '',
    encoding: format.csv_encoding,
    header: format.csv_skip_header,
  };
}
