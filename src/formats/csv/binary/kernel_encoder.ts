/** Encodes CSV records by the kernel, and by the row encoder those that the kernel doubts. */
import { takeBuffer } from '../../spare_buffers.ts';
import type { DialectBytes } from '../dialect.ts';
import type { StrayQuote } from '../stray_quotes.ts';
import type { Kernel } from './kernel.ts';
import {
  type EncodedRows,
  type EncoderOptions,
  type EncoderStop,
  FULL,
  NEEDS_MORE,
  type RecordEncoder,
  RowEncoder,
} from './row_encoder.ts';

/** The most rows in a sequence that the row encoder gets after the kernel doubted one. */
const MAX_RUN = 1024;
/** A run is as short as possible again after this many times as many rows without doubt. */
const RESET_FACTOR = 8;

/**
 * Has the result of the row encoder: the kernel is faster, and encodes a subset. The row encoder "judges" the records that
 * the kernel doubts: one, and more if doubts are frequent.
 */
export class KernelEncoder implements RecordEncoder {
  at = 0;
  readonly #kernel: Kernel;
  readonly #judge: RowEncoder;
  /** Encodes again what the kernel has encoded; null: nothing is checked. */
  readonly #checker: RowEncoder | null;
  readonly #output: number;
  readonly #outputEnd: number;
  /** See EncodedRows.lines. */
  #lineEnds: number[] | null = null;
  /** The lines of the rows in the kernel's memory. */
  #lines = 0;
  #stray: StrayQuote | null = null;
  /** How many rows the judge gets at the next doubt, and how many the kernel has encoded since the last one. */
  #run = 1;
  #undoubted = 0;

  /** @returns null if the kernel cannot encode such records */
  static create(
    kernel: Kernel,
    dialect: DialectBytes,
    options: EncoderOptions,
    check = false,
  ): KernelEncoder | null {
    const encoder = new KernelEncoder(kernel, dialect, options, check);
    return kernel.prepare(encoder, dialect, options) ? encoder : null;
  }

  private constructor(kernel: Kernel, dialect: DialectBytes, options: EncoderOptions, check: boolean) {
    this.#kernel = kernel;
    this.#judge = new RowEncoder(dialect, options);
    this.#checker = check ? new RowEncoder(dialect, options) : null;
    this.#output = kernel.constant('OUTPUT');
    this.#outputEnd = this.#output + kernel.constant('OUTPUT_BYTES');
  }

  get lines(): number {
    return this.#rows > 0 ? this.#lines : this.#judge.lines;
  }

  get stray(): StrayQuote | null {
    return this.#rows > 0 ? this.#stray : this.#judge.stray;
  }

  get #rows(): number {
    return this.#kernel.exports.rows.value;
  }

  /** @param bytes in the kernel's `input`, or longer than that */
  encode(bytes: Uint8Array, start: number): EncoderStop {
    if (this.#kernel.user !== this) throw new Error('another encoder has prepared the kernel since');
    this.at = start;
    while (this.#takeFromJudge()) {
      if (bytes.buffer !== this.#kernel.memory.buffer)
        return this.#judgeRows(bytes, Number.POSITIVE_INFINITY);
      const stop = this.#encodeInKernel(bytes);
      if (stop === this.#kernel.constant('NEEDS_MORE')) return NEEDS_MORE;
      if (stop === this.#kernel.constant('FULL')) return FULL;
      const judged = this.#judgeRows(bytes, this.#nextRun());
      if (judged !== FULL) return judged;
    }
    return FULL;
  }

  take(): EncodedRows | null {
    if (this.#rows === 0) return this.#judge.take();
    const taken: EncodedRows = {
      data: copyOf(this.#kernel.memory.subarray(this.#output, this.#kernel.exports.filled.value)),
      rows: this.#rows,
      lines: this.#lineEnds && Uint32Array.from(this.#lineEnds),
    };
    this.#kernel.reset();
    this.#lineEnds = null;
    this.#lines = 0;
    this.#stray = null;
    return taken;
  }

  #encodeInKernel(bytes: Uint8Array): number {
    const { exports } = this.#kernel;
    const rowsBefore = this.#rows;
    const filledBefore = exports.filled.value;
    const start = this.at;
    const stop = exports.encode(bytes.byteOffset + start, bytes.byteOffset + bytes.length);
    this.at = exports.at.value - bytes.byteOffset;
    const rows = this.#rows - rowsBefore;
    this.#undoubted += rows;
    if (this.#checker && rows > 0) this.#check(this.#checker, bytes.subarray(start, this.at), filledBefore);
    // Each of its rows is one line.
    if (this.#lineEnds) for (let row = 0; row < rows; row++) this.#lineEnds.push(this.#lines + row);
    this.#lines += rows;
    return stop;
  }

  #nextRun(): number {
    const frequent = this.#undoubted < this.#run * RESET_FACTOR;
    this.#run = frequent ? Math.min(this.#run * 2, MAX_RUN) : 1;
    this.#undoubted = 0;
    return this.#run;
  }

  /** Encodes up to `rows` rows by the row encoder. Returns FULL if all were encoded, or if `take` must come before more. */
  #judgeRows(bytes: Uint8Array, rows: number): EncoderStop {
    const stop = this.#judge.encode(bytes, this.at, rows);
    this.at = this.#judge.at;
    // A caller that has no room for the rows asks again after `take`, with the same answer.
    return this.#takeFromJudge() ? stop : FULL;
  }

  /** Moves the judge's rows behind the kernel's; returns false if there is no room for them. */
  #takeFromJudge(): boolean {
    const judge = this.#judge;
    if (judge.rows === 0) return true;
    const { exports, memory } = this.#kernel;
    const filled = exports.filled.value;
    if (filled + judge.filled > this.#outputEnd) return false;
    if (judge.stray)
      this.#stray ??= { line: this.#lines + judge.stray.line, lastLine: this.#lines + judge.stray.lastLine };
    const { lines, filled: bytes } = judge;
    const moved = judge.moveTo(memory.subarray(filled));
    const rowsBefore = this.#rows;
    if (moved.lines) this.#lineEnds ??= Array.from({ length: rowsBefore }, (_, row) => row);
    for (let row = 0; this.#lineEnds && row < moved.rows; row++)
      this.#lineEnds.push(this.#lines + (moved.lines?.[row] ?? row));
    this.#lines += lines;
    exports.filled.value = filled + bytes;
    exports.rows.value = rowsBefore + moved.rows;
    return true;
  }

  /** @throws if the row encoder encodes the records differently than the kernel did */
  #check(checker: RowEncoder, records: Uint8Array, from: number): void {
    let at = from;
    let stop: EncoderStop = FULL;
    for (let start = 0; stop === FULL; start = checker.at) {
      stop = checker.encode(records, start);
      const data = checker.take()?.data ?? new Uint8Array(0);
      const same = this.#kernel.memory.subarray(at, at + data.length).equals(data);
      at += data.length;
      if (!same) stop = NEEDS_MORE;
      if (same && (stop === FULL || checker.at === records.length)) continue;
      throw new Error(`the kernel encodes differently: ${Buffer.from(records.subarray(start, start + 200))}`);
    }
    if (at !== this.#kernel.exports.filled.value)
      throw new Error('the kernel encodes more rows than there are');
  }
}

function copyOf(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const copy = takeBuffer().subarray(0, bytes.length);
  copy.set(bytes);
  return copy;
}
