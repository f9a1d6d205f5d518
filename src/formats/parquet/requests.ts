/** What a reader is asked for: the rows of a Parquet file, or of a transform of it, as COPY wants them. */
import { toBinaryFields } from '../constants.ts';
import type { DuckdbFile } from '../duckdb_file.ts';
import { quoteText } from '../duckdb_quote.ts';
import type { CopyPlan, FormatSettings } from '../format.ts';
import { planBinary } from './binary/kinds.ts';
import { epochOf, fromEpoch } from './epoch.ts';
import { unreadableColumn } from './errors.ts';
import type { FileDescription, ReaderColumn, Sorting } from './protocol.ts';
import type { ReadRequest } from './reader_process.ts';
import type { RowRange } from './row_ranges.ts';
import { toTextColumn } from './spark.ts';
import { type TextColumn, textQuery } from './text.ts';
import { ROW_NUMBER, transformed, withEndRow } from './transform.ts';

/** DuckDB's virtual column with the row numbers of a file. */
const FILE_ROW_NUMBER = 'file_row_number';

/** Which rows to read (all by default), and in which order (the file's by default). */
export interface Selection {
  rows?: RowRange | undefined;
  sorting?: Sorting | undefined;
}

/** Makes the requests for one file. */
export class Requests {
  readonly #file: DuckdbFile;
  readonly #settings: FormatSettings;
  readonly #columns: ReaderColumn[];
  readonly #hidden: string[];
  readonly #rowCount: number | null;

  /** @param rowCount of the footer; null if there is a transform */
  constructor(
    file: DuckdbFile,
    settings: FormatSettings,
    { columns, hidden }: FileDescription,
    rowCount: number | null,
  ) {
    this.#file = file;
    this.#settings = settings;
    this.#columns = columns;
    this.#hidden = hidden;
    this.#rowCount = rowCount;
  }

  /** Asks for binary rows if every column has a binary form, and for text otherwise. */
  copy(plan: CopyPlan, selection: Selection = {}): ReadRequest {
    const constants = toBinaryFields(plan.constants, this.#settings.time_zone);
    const source = this.#sourceOf(selection);
    const asText = plan.columns.some(({ readAs }) => readAs !== undefined);
    const binary = asText
      ? null
      : planBinary(source, this.#columnsOf(plan), constants, this.#numberIn(selection));
    return binary === null
      ? this.text(plan, 'fail', selection)
      : { type: 'read_binary', plan: binary, ...this.#howToRead(selection) };
  }

  text(plan: CopyPlan, onBadValue: 'fail' | 'mark', selection: Selection): ReadRequest {
    const query = textQuery({
      source: this.#sourceOf(selection),
      columns: this.#columnsOf(plan),
      constants: plan.constants,
      rowNumber: this.#rowNumber,
      numbered: this.#numberIn(selection) !== null,
      onBadValue,
    });
    return { type: 'read', query, ...this.#howToRead(selection) };
  }

  #howToRead(selection: Selection): Omit<ReadRequest, 'type' | 'plan' | 'query'> {
    const { rows, sorting } = selection;
    const order = sorting ? 'in any order' : 'in order';
    return {
      rows: {
        first: rows?.from ?? 0,
        count: rows ? rows.to - rows.from : this.#rowCount,
        numbers: this.#numberIn(selection) === null ? 'none' : order,
      },
      maxRowBytes: this.#settings.max_row_bytes,
      maxRows: this.#settings.max_rows,
      confinedTo: this.confinedTo,
      sorting,
    };
  }

  /** Returns the columns of the rows, in the order of the COPY, with the row's number if the plan wants it. */
  #columnsOf(plan: CopyPlan): TextColumn[] {
    const { line } = plan;
    if (line === null) return this.columns(plan);
    const value = `(${this.#rowNumber} + 1)`;
    return [
      ...this.columns(plan),
      { name: line.name, value, duckdbType: 'BIGINT', targetType: line.baseType },
    ];
  }

  /** Returns the columns that a plan matched, in the order of the COPY. */
  columns(plan: CopyPlan): TextColumn[] {
    return plan.columns.map(({ position, target, readAs = target }) => {
      const column = this.#columns[position]!;
      if (column.unreadable !== null) throw unreadableColumn(column);
      const text = toTextColumn(column, readAs.baseType, this.#settings.time_zone);
      return fromEpoch(text, epochOf(column, this.#settings.format));
    });
  }

  /** Whether DuckDB numbers the rows itself: not those of a transform, nor if the file has a column of that name. */
  get isNumbered(): boolean {
    const taken = this.#columns.some((column) => column.name.toLowerCase() === FILE_ROW_NUMBER);
    return this.#file.transform === null && !taken;
  }

  /** The column with the rows' numbers, from 0. */
  get #rowNumber(): string {
    return this.isNumbered ? FILE_ROW_NUMBER : ROW_NUMBER;
  }

  /**
   * Returns the query's column with row numbers, or null. A sorted query includes it only if the row count is unknown,
   * because it makes sorting slower.
   */
  #numberIn({ sorting }: Selection): string | null {
    return sorting && this.#rowCount !== null ? null : this.#rowNumber;
  }

  /** The only file that a transform may read. */
  get confinedTo(): string | undefined {
    return this.#file.transform === null ? undefined : this.#file.file.path;
  }

  /** Returns what a query selects from: all rows, or a range of them. */
  from(rows?: RowRange): string {
    const { transform } = this.#file;
    if (transform !== null) return transformed(transform, this.#hidden);
    const path = quoteText(this.#file.file.path);
    if (!this.isNumbered)
      return `(select *, row_number() over () - 1 as ${ROW_NUMBER} from read_parquet(${path}))`;
    const all = `read_parquet(${path}, ${FILE_ROW_NUMBER} = true)`;
    // DuckDB skips row groups outside of the range.
    return rows
      ? `(from ${all} where ${FILE_ROW_NUMBER} >= ${rows.from} and ${FILE_ROW_NUMBER} < ${rows.to})`
      : all;
  }

  /** Returns what a query reads from. The row count of a transform is unknown, so an end row marks its end. */
  #sourceOf({ rows }: Selection): string {
    const from = this.from(rows);
    return this.#rowCount === null ? withEndRow(from, this.#columns.length) : from;
  }
}
