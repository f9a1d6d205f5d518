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
import type { RawSection, ReadInto, Section, SectionPlan } from './csv/binary/sections.ts';
import { snakeNames } from './csv/column_names.ts';
import type { CsvDialect } from './csv/dialect.ts';
import { findStrays } from './csv/find_strays.ts';
import { columnName, inferColumns } from './csv/infer.ts';
import { conversionsOf, guessingConversions } from './csv/normalize/conversions.ts';
import { FileLines } from './csv/normalize/file_lines.ts';
import type { Normalizer } from './csv/normalize/normalizer.ts';
import { NORMAL, type NormalizeRules, rulesOf } from './csv/normalize/rules.ts';
import { type CsvOptions, type KernelMode, scannableEncoding } from './csv/options.ts';
import { binaryKind, FirstBytes, otherKind, refuseDocument } from './csv/other_kinds.ts';
import { refuseImplausible, takeSample } from './csv/plausible.ts';
import { constantFields, rawInput } from './csv/raw.ts';
import { type Header, limitRows, rewriteRecords } from './csv/records.ts';
import type { RewriteOptions } from './csv/rewrite.ts';
import { type PlaceOfRecords, type RowRules, toRowBatch } from './csv/row_batch.ts';
import { openAll, openHeader, openRows, type Rows, type RowsSource } from './csv/rows.ts';
import type { RowsStart } from './csv/scanner.ts';
import { describeStray, StrayQuotes } from './csv/stray_quotes.ts';
import { toTransform } from './csv/transformed.ts';
import { ofEntry } from './entry_errors.ts';
import type {
  CopyInput,
  CopyPlan,
  FileColumn,
  FileFormat,
  FilePart,
  FormatSettings,
  FormatTools,
  InferredColumn,
  MatchedColumn,
  RowBatch,
  SortedRows,
  SortKey,
} from './format.ts';
import { TEXT, UNKNOWN } from './pg_text/text_kinds.ts';
import type { RowBytes } from './row_bytes.ts';
import { checkRowLimit } from './row_limit.ts';
import { planOrder } from './sort/plan_order.ts';
import { type RowOrder, runLimits } from './sort/row_order.ts';
import { hasSortKernel } from './sort/sort_kernel.ts';
import { toSortedRuns } from './sort/sorted_runs.ts';
import type { SortedSection } from './sort/sorted_sections.ts';
import { takenEntries } from './taken_entries.ts';
import { transformedPart } from './transformed.ts';
import { requireTransforms } from './transforms.ts';

export const csv: FileFormat = {
  tailBytes: 0,
  async *parts(spooled, settings, tools, signal) {
    const { transform } = settings;
    requireTransforms(settings, tools);
    const limits = limitsOf(settings);
    let position = -1;
    for await (const entry of takenEntries(openEntries(spooled, limits), settings.format.zip_entries)) {
      position += 1;
      if (entry === null) continue;
      refuseDocument(entry.name);
      // A thread that reads an entry reads the archive's directory first, which costs more than a small entry is worth.
      const large = (entry.sizeBytes ?? spooled.sizeBytes) >= tools.config.encodeCsvFromBytes;
      const encoders = large ? tools.encoders : null;
      const runBytes = tools.sorters === null ? null : tools.runBytes;
      const file = { spooled, limits, encoders, runBytes, kernel: tools.config.csvKernel, signal };
      const part = new CsvPart(file, entry, position, settings);
      // An empty entry has no rows, and no header to compare.
      if (!(await ofEntry(entry.name, () => part.readFirst()))) continue;
      if (transform === null) {
        yield part;
        continue;
      }
      // DuckDB may read any part of the file first.
      await spooled.whole();
      const csv = toTransform(entry, part, settings);
      yield* transformedPart({ ...csv, spooled, select: transform }, settings, tools, signal);
    }
  },
};

/** The file that a part belongs to. */
interface CsvFile {
  spooled: SpooledFile;
  limits: Limits;
  /** Null for an entry that is too small to be worth encoding. */
  encoders: FormatTools['encoders'] | null;
  /** Null where nothing is to be sorted. */
  runBytes: number | null;
  kernel: KernelMode;
  signal: AbortSignal;
}

class CsvPart implements FilePart {
  readonly unit = 'line';
  readonly name: string | null;
  columnNames: string[] | null = null;
  columnCount = 0;
  readonly cutsLongRows: boolean;
  readonly #file: CsvFile;
  /** The entry's position in the file, from 0. */
  readonly #position: number;
  readonly #entry: Entry;
  readonly #format: CsvOptions;
  /** Null: COPY reads the file as it is. */
  readonly #normalize: NormalizeRules | null;
  readonly #dialect: CsvDialect;
  /** Of a record for COPY: the quotes of a normal form make it longer, so the normalizer keeps to the limit itself. */
  readonly #maxRowBytes: number;
  readonly #maxRows: number | null;
  readonly #timeZone: string;
  readonly #byPosition: boolean;
  #header: Header | undefined;
  readonly #strays = new StrayQuotes();

  constructor(file: CsvFile, entry: Entry, position: number, settings: FormatSettings) {
    this.name = entry.name;
    this.#file = file;
    this.#position = position;
    this.#entry = entry;
    this.#format = settings.format;
    this.#normalize = rulesOf(settings.format, settings.max_row_bytes);
    this.cutsLongRows = settings.format.on_long_row === 'cut';
    this.#dialect = toDialect(settings.format, this.#normalize !== null);
    this.#maxRowBytes = this.#normalize === null ? settings.max_row_bytes : Infinity;
    this.#maxRows = settings.max_rows;
    this.#timeZone = settings.time_zone;
    this.#byPosition = settings.match_columns_by === 'position';
  }

  /** Reads the columns from the first record; returns false if the entry is empty. */
  async readFirst(): Promise<boolean> {
    const first = new FirstBytes();
    const kind = () => otherKind(first.bytes, this.#format.csv_encoding);
    const header = await openHeader(this.#source(this.#normalize), first).catch((error) => {
      throw kind() ?? binaryKind(first.bytes, this.#format.csv_encoding) ?? error;
    });
    await close(header.rest);
    const other = kind();
    if (other) throw other;
    if (header.fields === null) return false;
    this.#header = header;
    this.columnNames = this.#namesOf(header.fields, header.normalizer);
    this.columnCount = this.columnNames?.length ?? header.fields.length;
    return true;
  }

  async refuseImplausible(): Promise<void> {
    // Somebody has said in detail how a normalized file is written.
    if (this.#normalize === null)
      refuseImplausible(await takeSample(openAll(this.#source(null))), this.#dialect);
  }

  notice(): string | null {
    return this.#strays.first && describeStray(this.#strays.first);
  }

  async lookForNotice(): Promise<string | null> {
    const { bytes } = openRows({ ...this.#source(this.#normalize), sorting: true, strays: this.#strays });
    await findStrays(bytes, this.#dialect, { ...this.#rowsStart(), strays: this.#strays });
    return this.notice();
  }

  #namesOf(header: string[], normalizer: Normalizer | null): string[] | null {
    const names = this.#dialect.header ? header : (normalizer?.columnNames ?? null);
    if (this.#format.column_names === 'snake') return names && snakeNames(names);
    return names?.map((name, position) => name || columnName(position)) ?? null;
  }

  #source(normalize: NormalizeRules | null) {
    const { signal } = this.#file;
    return { entry: this.#entry, dialect: this.#dialect, normalize, maxRowBytes: this.#maxRowBytes, signal };
  }

  /** Opens the rows for a plan. */
  #openRows(plan: CopyPlan, options: Pick<RowsSource, 'sorting' | 'keeping'> = {}): Rows {
    return openRows({ ...this.#source(this.#rulesFor(plan)), ...options, strays: this.#strays });
  }

  /** @param plan of the file itself */
  #rulesFor(plan: CopyPlan): NormalizeRules | null {
    const rules = this.#withColumns(plan.width, () => conversionsOf(plan, this.#format, this.columnNames));
    const copies = copiesOf(plan).map(({ position }) => position);
    return rules && { ...rules, copies, withLine: plan.line !== null };
  }

  #withColumns(columns: number, conversions: () => NormalizeRules['conversions']): NormalizeRules | null {
    return this.#normalize && { ...this.#normalize, columns, conversions: conversions() };
  }

  async inferColumns(maxBytes?: number): Promise<InferredColumn[] | null> {
    let bytes = 0;
    const rules = this.#withColumns(this.columnCount, () =>
      guessingConversions(this.#format, this.columnNames, this.columnCount),
    );
    const rows = openRows({ ...this.#source(rules), sorting: true });
    const counted = async function* () {
      for await (const chunk of rows.bytes) {
        bytes += chunk.length;
        yield chunk;
      }
    };
    const columns = await inferColumns(counted(), this.#dialect, {
      names: this.columnNames,
      maxRowBytes: this.#maxRowBytes,
      numberDuplicates: this.#byPosition,
      maxBytes,
      ...this.#rowsStart(),
    });
    if (bytes === 0) return null;
    if (this.#format.infer_types === 'text') return columns.map(asText);
    const lines = rows.normalizer?.fileLines;
    return columns.map(({ decisions, ...column }) => ({
      ...column,
      isUnknown: column.kind === UNKNOWN,
      decisions: decisions.map((decision) => ({ ...decision, line: inFile(lines, decision.line) })),
    }));
  }

  copyInputs(plan: CopyPlan): AsyncIterable<CopyInput> | Iterable<CopyInput> {
    const sections = this.#file.encoders && this.#planSections(plan);
    if (!sections) return [this.#rawInput(plan)];
    const fileLines = new FileLines();
    return toCopyInputs(this.#encode<Section>({ plan: sections }, fileLines), sections, fileLines);
  }

  async sort(ofFile: CopyPlan, keys: SortKey[], timeColumn: string): Promise<SortedRows | null> {
    const { encoders, runBytes, kernel } = this.#file;
    const sorts = runBytes !== null && kernel !== 'off' && hasSortKernel();
    const plan = encoders && sorts ? this.#planSections(ofFile) : null;
    if (plan === null) return null;
    const kinds = plan.kinds.filter((kind) => kind !== null);
    const limits = runLimits(runBytes!, this.#entry.sizeBytes ?? this.#file.spooled.sizeBytes);
    const order = planOrder(this.#ofNormalForm(ofFile), kinds, keys, timeColumn, limits);
    if (order === null) return null;
    const sections = () => this.#encode<SortedSection | RawSection>({ plan, order }, new FileLines());
    // An encoder is released with the last section.
    const rawRows = (rows: RowBytes) =>
      rawInput(rows, plan.dialect, { newline: plan.newline, lineOf: (line) => line });
    return { runs: () => toSortedRuns(sections(), order, 'line', rawRows), close: () => {} };
  }

  /** Returns the whole part in CSV format. */
  #rawInput(ofFile: CopyPlan): CopyInput {
    const { bytes, normalizer } = this.#openRows(ofFile);
    const plan = this.#ofNormalForm(ofFile);
    const { newline, lineOffset } = this.#rowsStart();
    const linesAfter = new FileLines();
    const data = this.#isWhole(plan)
      ? limitRows(bytes, this.#dialect, {
          maxRowBytes: this.#maxRowBytes,
          maxRows: this.#maxRows,
          newline,
          lineOffset,
          strays: this.#strays,
        })
      : this.#rewrite(bytes, plan, { newline, lineOffset, linesAfter });
    const lineOf = (line: number) => inFile(normalizer?.fileLines, linesAfter.lineOf(lineOffset + line));
    return rawInput(data, this.#dialect, { newline, lineOf });
  }

  async *batches(ofFile: CopyPlan): AsyncGenerator<RowBatch> {
    const plan = this.#ofNormalForm(ofFile);
    const start = this.#rowsStart();
    const maxRowBytes = this.#maxRowBytes;
    const expectedFields = plan.width;
    const rewrite: RowRules['rewrite'] = this.#isWhole(plan)
      ? null
      : (records, place) => this.#rewrite([records], plan, { newline: start.newline, ...place });
    const copies = plan.width - ofFile.width;
    const rules = { dialect: this.#dialect, newline: start.newline, maxRowBytes, expectedFields, copies };
    const options = { ...start, maxRowBytes, expectedFields, strays: this.#strays };
    let rows = 0;
    const { bytes, normalizer } = this.#openRows(ofFile, { sorting: true, keeping: true });
    for await (const records of readBatches(bytes, this.#dialect, options)) {
      const inFile = normalizer?.take(records.offsets.length - 1);
      const batch = toRowBatch(inFile ? { ...records, inFile } : records, { ...rules, rewrite });
      rows += batch.rowsRead;
      checkRowLimit(rows, this.#maxRows);
      yield batch;
    }
  }

  /** Returns the plan for what COPY reads: in a normal form, copies of fields and the line follow the fields of each record. */
  #ofNormalForm(plan: CopyPlan): CopyPlan {
    if (this.#normalize === null) return plan;
    const added = copiesOf(plan).map(({ target }) => target);
    if (plan.line) added.push(plan.line);
    const placed = added.map((target, i) => ({ target, position: plan.width + i }));
    const columns = [...plan.columns.filter(({ asIs }) => !asIs), ...placed];
    return { ...plan, columns, width: plan.width + added.length, line: null };
  }

  /** Whether COPY gets the records unchanged. */
  #isWhole(plan: CopyPlan): boolean {
    return plan.columns.length === plan.width && plan.line === null && plan.constants.length === 0;
  }

  #rewrite(
    rows: AsyncIterable<Buffer> | Iterable<Buffer>,
    plan: CopyPlan,
    place: Pick<RewriteOptions, 'lineOffset' | 'newline'> & Partial<PlaceOfRecords>,
  ): RowBytes {
    return rewriteRecords(rows, this.#dialect, {
      ...place,
      lineAt: plan.line ? (place.lineAt ?? ((_record, line) => line)) : undefined,
      // The records of a batch were scanned before, with their lines in the file.
      strays: place.lineOf ? undefined : this.#strays,
      maxRowBytes: this.#maxRowBytes,
      maxRows: this.#maxRows,
      keep: plan.columns.map((column) => column.position),
      append: constantFields(plan.constants, this.#dialect),
      expectedFields: plan.width,
    });
  }

  #planSections(plan: CopyPlan): SectionPlan | null {
    return planSections(this.#ofNormalForm(plan), {
      dialect: this.#dialect,
      start: this.#rowsStart(),
      timeZone: this.#timeZone,
      maxRowBytes: this.#maxRowBytes,
      normalize: this.#rulesFor(plan),
      kernel: this.#file.kernel,
    });
  }

  /** Encodes the part by a thread. Only where there are any. */
  async *#encode<Wanted extends Section | SortedSection>(
    work: { plan: SectionPlan; order?: RowOrder },
    fileLines: FileLines,
  ): AsyncGenerator<Wanted, undefined> {
    const { spooled, limits, signal } = this.#file;
    const encoders = this.#file.encoders!;
    const into: ReadInto = { fileLines, strays: this.#strays };
    const encoder = await encoders.acquire(signal);
    try {
      let rows = 0;
      const request = { limits, entry: this.#position, work: { format: 'csv' as const, ...work } };
      for await (const section of encoder.read<Wanted>(spooled, request, into)) {
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

/** Whether it has a null still decides about the time column. */
function asText({ name, nullable }: FileColumn): InferredColumn {
  return { name, type: 'text', nullable, kind: TEXT, isUnknown: false, decisions: [] };
}

function copiesOf({ columns }: CopyPlan): MatchedColumn[] {
  return columns.filter(({ asIs }) => asIs);
}

async function close(chunks: AsyncIterable<unknown>): Promise<void> {
  await chunks[Symbol.asyncIterator]().return?.();
}

function toDialect(format: CsvOptions, isNormalized: boolean): CsvDialect {
  const encoding = scannableEncoding(format);
  const header = format.csv_skip_header;
  const replacedFrom = format.invalid_text === 'replace' ? format.csv_encoding : undefined;
  if (isNormalized) return { ...NORMAL, encoding, replacedFrom, header };
  return {
    delimiter: format.csv_delimiter,
    quote: format.csv_quote,
    escape: format.csv_escape,
    nullText: format.null_values[0]!,
    encoding,
    header,
  };
}

function inFile(lines: FileLines | undefined, line: number): number {
  return lines?.lineOf(line) ?? line;
}
