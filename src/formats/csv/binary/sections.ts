/** A "section" is a run of CSV records that go into COPY in the same way: encoded ("binary") or unchanged ("raw"). */
import { isUtf8 } from 'node:buffer';
import type { BinaryFields } from '../../constants.ts';
import { putLines } from '../../line_field.ts';
import type { ValueKind } from '../../pg_binary/kinds.ts';
import { CountedRows, type RowBytes } from '../../row_bytes.ts';
import { type CsvDialect, dialectBytes } from '../dialect.ts';
import { FileLines, type LineJump } from '../normalize/file_lines.ts';
import type { NormalizeRules } from '../normalize/rules.ts';
import type { KernelMode } from '../options.ts';
import { limitRows, rewriteRecords } from '../records.ts';
import type { FillMemory } from '../rows.ts';
import { type Newline, RECORD_END, RecordScanner } from '../scanner.ts';
import { StrayQuotes } from '../stray_quotes.ts';
import { InputWindow } from './input_window.ts';
import { threadKernel } from './kernel.ts';
import { KernelEncoder } from './kernel_encoder.ts';
import { type EncodedRows, FULL, NOT_SURE, type RecordEncoder, RowEncoder } from './row_encoder.ts';

/** What a thread reports beside the sections. */
export interface ReadInto {
  fileLines: FileLines;
  strays: StrayQuotes;
}

/** How the records of a part are encoded or rewritten. */
export interface SectionPlan {
  dialect: CsvDialect;
  /** The kind of each field; null for a field that is left out. */
  kinds: (ValueKind | null)[];
  /** The constants as binary fields, after the row's line if it has one, and as CSV. */
  constants: (BinaryFields & { csv: Uint8Array | null }) | null;
  /** Whether each row gets the line on which it starts. */
  hasLine: boolean;
  /** The number of lines before the first record. */
  lineOffset: number;
  newline: Exclude<Newline, 'cr'>;
  /** In bytes, the record's end not counted. */
  maxRowBytes: number;
  /** How the file is normalized before; null: not at all. */
  normalize: NormalizeRules | null;
  kernel: KernelMode;
}

export type Section = RawSection | BinarySection;

/** Records in CSV format. */
export interface RawSection {
  kind: 'raw';
  data: Uint8Array<ArrayBuffer>;
  /** The line of the file on which the first row starts. */
  firstLine: number;
  /** Records that end in this section: one record may span several sections. */
  rows: number;
  /** The lines that follow in this section and those that go on with its last record; 0 for these. */
  height: number;
  /** By these lines, from 1: where the file's lines are further apart, because fields with line ends were left out. */
  jumps: LineJump[];
}

export interface BinarySection extends EncodedRows {
  kind: 'binary';
  /** The line of the file on which the first row starts. */
  firstLine: number;
}

const LINE_FEED = 0x0a;
/** The memory for the input of an encoder that has none. */
const WINDOW_BYTES = 1 << 20;
/** How many bytes go raw after a record that only PostgreSQL can judge. The number doubles with each such record. */
const FIRST_RAW_BYTES = 64 * 1024;
/** The number is reset when this many times as many bytes were encoded since the last such record. */
const RESET_FACTOR = 16;

/**
 * Cuts a CSV part into sections: binary while the encoder is certain of every value, and raw otherwise. Each change of
 * kind needs a COPY of its own, so raw sections grow if uncertain records are frequent.
 *
 * @param chunks the bytes after the header, as `toScannable` returns them, or what reads them into memory
 * @param strays gets the first row with a stray quote
 * @throws ConnectorError as `limitRows` and `rewriteRecords`
 */
export async function* readSections(
  chunks: AsyncIterable<Buffer> | FillMemory,
  plan: SectionPlan,
  strays = new StrayQuotes(),
): AsyncGenerator<Section> {
  const cutter = new SectionCutter(plan, strays);
  const fill = typeof chunks === 'function' ? chunks : copying(chunks);
  for await (const part of fill((length) => cutter.place(length))) yield* cutter.cut(part.length);
  yield* cutter.finish();
}

function copying(chunks: AsyncIterable<Buffer>): FillMemory {
  return async function* (place) {
    for await (const chunk of chunks) {
      place(chunk.length).set(chunk);
      yield chunk;
    }
  };
}

class SectionCutter {
  readonly #plan: SectionPlan;
  readonly #strays: StrayQuotes;
  readonly #encoder: RecordEncoder;
  /** The bytes of the last chunk, after the start of a record that the chunk before did not complete. */
  readonly #window: InputWindow;
  #lineOffset: number;
  /** Bytes that still go raw, and how many will after the next uncertain record. */
  #rawLeft = 0;
  #nextRawBytes = FIRST_RAW_BYTES;
  #encodedBytes = 0;

  constructor(plan: SectionPlan, strays: StrayQuotes) {
    this.#plan = plan;
    this.#strays = strays;
    this.#lineOffset = plan.lineOffset;
    const kernel = plan.kernel === 'off' ? null : threadKernel();
    const dialect = dialectBytes(plan.dialect);
    const byKernel = kernel && KernelEncoder.create(kernel, dialect, plan, plan.kernel === 'check');
    this.#encoder = byKernel ?? new RowEncoder(dialect, plan);
    this.#window = new InputWindow(byKernel && kernel ? kernel.input : Buffer.allocUnsafeSlow(WINDOW_BYTES));
  }

  /** Returns memory for the next bytes, valid until the next call. */
  place(length: number): Buffer {
    return this.#window.reserve(length);
  }

  /** @param length the bytes that `place` has got */
  async *cut(length: number): AsyncGenerator<Section> {
    this.#window.commit(length);
    const { bytes } = this.#window;
    if (!isText(bytes)) this.#rawLeft = Math.max(this.#rawLeft, bytes.length);
    let at = 0;
    for (;;) {
      if (this.#rawLeft <= 0) {
        at = yield* this.#encode(bytes, at);
        if (this.#rawLeft <= 0) break;
      }
      // Rows of an earlier chunk must come before these.
      yield* this.#takeEncoded();
      const end = at + this.#wholeRecords(bytes.subarray(at));
      if (end === at) break;
      yield* this.#takeRaw(bytes.subarray(at, end));
      at = end;
    }
    // The raw path refuses a record that is too long before it ends.
    if (bytes.length - at > this.#plan.maxRowBytes) this.#rawLeft = Math.max(this.#rawLeft, 1);
    this.#window.use(at);
  }

  async *finish(): AsyncGenerator<Section> {
    yield* this.#takeEncoded();
    // The last record has no line end. PostgreSQL accepts that.
    if (this.#window.bytes.length > 0) yield* this.#takeRaw(this.#window.bytes);
  }

  /** Encodes records; returns the position of the first that is incomplete or uncertain. */
  async *#encode(bytes: Buffer, start: number): AsyncGenerator<Section, number> {
    const encoder = this.#encoder;
    let stop = encoder.encode(bytes, start);
    while (stop === FULL) {
      yield* this.#takeEncoded();
      stop = encoder.encode(bytes, encoder.at);
    }
    this.#encodedBytes += encoder.at - start;
    if (stop === NOT_SURE) {
      yield* this.#takeEncoded();
      this.#switchToRaw();
    }
    return encoder.at;
  }

  #switchToRaw(): void {
    this.#nextRawBytes =
      this.#encodedBytes > this.#nextRawBytes * RESET_FACTOR ? FIRST_RAW_BYTES : this.#nextRawBytes * 2;
    this.#rawLeft = this.#nextRawBytes;
    this.#encodedBytes = 0;
  }

  *#takeEncoded(): Generator<Section> {
    const firstLine = this.#lineOffset + 1;
    const { lines, stray } = this.#encoder;
    if (stray) this.#strays.note(this.#lineOffset + stray.line, this.#lineOffset + stray.lastLine);
    this.#lineOffset += lines;
    const rows = this.#encoder.take();
    if (rows === null) return;
    if (this.#plan.hasLine) {
      const { lines: ends } = rows;
      const lineAt = (row: number) => firstLine + (ends === null ? row : row === 0 ? 0 : ends[row - 1]! + 1);
      putLines(rows.data, this.#plan.constants!, lineAt);
    }
    yield { kind: 'binary', firstLine, ...rows };
  }

  async *#takeRaw(records: Buffer): AsyncGenerator<Section> {
    const before = this.#lineOffset;
    const linesAfter = new FileLines();
    const counted = new CountedRows(this.#rawRows(records, linesAfter));
    let last: RawSection | undefined;
    for await (const data of counted) {
      if (last) yield last;
      // All records were rewritten before the first bytes came.
      const jumps = last ? [] : linesAfter.since(0);
      const lost = jumps.at(-1);
      const height = last ? 0 : Math.max(1, this.#rawLines - (lost ? lost.fileLine - lost.line : 0));
      // A copy, because a buffer that is transferred to another thread is lost to this one.
      const copied = new Uint8Array(data);
      last = {
        kind: 'raw',
        firstLine: before + 1,
        data: copied,
        rows: 0,
        height,
        jumps: jumps.map(({ line, fileLine }) => ({ line: line - before, fileLine })),
      };
    }
    if (last) yield { ...last, rows: counted.count };
    this.#rawLeft -= records.length;
    this.#lineOffset += this.#rawLines;
  }

  #rawRows(records: Buffer, linesAfter: FileLines): RowBytes {
    const { dialect, kinds, constants, hasLine, newline, maxRowBytes } = this.#plan;
    const start = { lineOffset: this.#lineOffset, newline, maxRowBytes, strays: this.#strays };
    if (constants === null && kinds.every((kind) => kind !== null))
      return limitRows([records], dialect, start);
    return rewriteRecords([records], dialect, {
      ...start,
      linesAfter,
      keep: kinds.flatMap((kind, position) => (kind === null ? [] : [position])),
      append: constants?.csv ? Buffer.from(constants.csv) : null,
      lineAt: hasLine ? (_record, line) => line : undefined,
      expectedFields: kinds.length,
    });
  }

  /** The lines of the records that `#wholeRecords` found. */
  #rawLines = 0;

  /** Returns the length of the whole records at the start of the bytes, up to the number that still go raw. */
  #wholeRecords(bytes: Buffer): number {
    const { dialect, newline, maxRowBytes } = this.#plan;
    const scanner = new RecordScanner(dialectBytes(dialect), {
      lineOffset: this.#lineOffset,
      newline,
      maxRowBytes,
      fields: 'ignore',
      passNul: true,
    });
    scanner.load(bytes);
    let end = 0;
    while (end < this.#rawLeft && scanner.next() === RECORD_END) end = scanner.at;
    this.#rawLines = scanner.lines;
    return end;
  }
}

/** Whether the complete lines are valid UTF-8 without NUL. If not, PostgreSQL reports where the error is. */
function isText(bytes: Buffer): boolean {
  return !bytes.includes(0) && isUtf8(bytes.subarray(0, bytes.lastIndexOf(LINE_FEED) + 1));
}
