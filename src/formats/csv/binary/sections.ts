import { isUtf8 } from 'node:buffer';
import type { BinaryFields } from '../../constants.ts';
import { CountedRows, type RowBytes } from '../../row_bytes.ts';
import { type CsvDialect, dialectBytes } from '../dialect.ts';
import { limitRows, rewriteRecords } from '../records.ts';
import { type Newline, RECORD_END, RecordScanner } from '../scanner.ts';
import { putterOf, type ValueKind } from './kinds.ts';
import { FULL, NOT_SURE, RowEncoder } from './row_encoder.ts';

/** How the records of a part go into COPY, one way or the other. */
export interface SectionPlan {
  dialect: CsvDialect;
  /** By field; null for one that is left out. */
  kinds: (ValueKind | null)[];
  /** Columns that are the same in each row: their binary fields, and how they stand in a CSV. */
  constants: (BinaryFields & { csv: Uint8Array }) | null;
  /** Physical lines before the first record. */
  lineOffset: number;
  newline: Exclude<Newline, 'cr'>;
  /** In bytes, the record's end not counted. */
  maxRowBytes: number;
}

/** Some rows, in the order of the file. */
export type Section = RawSection | BinarySection;

/** Records as COPY's CSV. */
export interface RawSection {
  kind: 'raw';
  data: Uint8Array<ArrayBuffer>;
  /** The physical line of the file at which the first row starts. */
  firstLine: number;
  /** Records that end here: one may come in several sections. */
  rows: number;
}

/** Rows of COPY's binary format, without header and trailer. */
export interface BinarySection {
  kind: 'binary';
  data: Uint8Array<ArrayBuffer>;
  firstLine: number;
  rows: number;
  /** See EncodedRows. */
  lines: Uint32Array<ArrayBuffer> | null;
}

const LINE_FEED = 0x0a;
/** Bytes that go to PostgreSQL as they are after one record that only it can judge; twice as many after the next. */
const FIRST_RAW_BYTES = 64 * 1024;
/** A stretch is as short as the first again when this many times its bytes were encoded since. */
const RESET_FACTOR = 16;

/**
 * Cuts the records of a CSV part into sections: encoded as long as the encoder is sure of every value, and as they are
 * where it is not. The latter cost PostgreSQL the parsing, and each change a COPY of its own, so they grow where
 * there are many.
 *
 * @param chunks the bytes after the header, as `toScannable` gives them
 * @throws ConnectorError as `limitRows` and `rewriteRecords`
 */
export async function* readSections(
  chunks: AsyncIterable<Buffer>,
  plan: SectionPlan,
): AsyncGenerator<Section> {
  const cutter = new SectionCutter(plan);
  for await (const chunk of chunks) yield* cutter.cut(chunk);
  yield* cutter.finish();
}

class SectionCutter {
  readonly #plan: SectionPlan;
  readonly #encoder: RowEncoder;
  /** The start of a record that has not ended. */
  #carry: Buffer = Buffer.alloc(0);
  #lineOffset: number;
  /** Bytes that are still to go as they are, and how many the next such stretch has. */
  #rawLeft = 0;
  #nextRawBytes = FIRST_RAW_BYTES;
  #encodedBytes = 0;

  constructor(plan: SectionPlan) {
    this.#plan = plan;
    this.#lineOffset = plan.lineOffset;
    this.#encoder = new RowEncoder(dialectBytes(plan.dialect), {
      putters: plan.kinds.map((kind) => kind && putterOf(kind)),
      constants: plan.constants,
      newline: plan.newline,
      maxRowBytes: plan.maxRowBytes,
    });
  }

  async *cut(chunk: Buffer): AsyncGenerator<Section> {
    const bytes = this.#carry.length > 0 ? Buffer.concat([this.#carry, chunk]) : chunk;
    if (!isText(bytes)) this.#rawLeft = Math.max(this.#rawLeft, bytes.length);
    let at = 0;
    for (;;) {
      if (this.#rawLeft <= 0) {
        at = yield* this.#encode(bytes, at);
        if (this.#rawLeft <= 0) break;
      }
      // Rows of an earlier chunk come before these, and so do their lines.
      yield* this.#takeEncoded();
      const end = at + this.#wholeRecords(bytes.subarray(at));
      if (end === at) break;
      yield* this.#takeRaw(bytes.subarray(at, end));
      at = end;
    }
    // A record that is too long is refused there, and not kept until it ends.
    if (bytes.length - at > this.#plan.maxRowBytes) this.#rawLeft = Math.max(this.#rawLeft, 1);
    this.#carry = bytes.subarray(at);
  }

  async *finish(): AsyncGenerator<Section> {
    yield* this.#takeEncoded();
    // A last record without an end: PostgreSQL takes it as it takes the others.
    if (this.#carry.length > 0) yield* this.#takeRaw(this.#carry);
  }

  /** @returns how far it came: to the last whole record, or to one that is not sure */
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
    this.#lineOffset += this.#encoder.lines;
    const rows = this.#encoder.take();
    if (rows) yield { kind: 'binary', firstLine, ...rows };
  }

  async *#takeRaw(records: Buffer): AsyncGenerator<Section> {
    const firstLine = this.#lineOffset + 1;
    const counted = new CountedRows(this.#asTheyAre(records));
    let last: Uint8Array<ArrayBuffer> | undefined;
    for await (const data of counted) {
      if (last) yield { kind: 'raw', firstLine, data: last, rows: 0 };
      // A copy, because what is sent to another thread is gone from this one.
      last = new Uint8Array(data);
    }
    if (last) yield { kind: 'raw', firstLine, data: last, rows: counted.count };
    this.#rawLeft -= records.length;
    this.#lineOffset += this.#rawLines;
  }

  #asTheyAre(records: Buffer): RowBytes {
    const { dialect, kinds, constants, newline, maxRowBytes } = this.#plan;
    const start = { lineOffset: this.#lineOffset, newline, maxRowBytes };
    if (constants === null && kinds.every((kind) => kind !== null))
      return limitRows([records], dialect, start);
    return rewriteRecords([records], dialect, {
      ...start,
      keep: kinds.flatMap((kind, position) => (kind === null ? [] : [position])),
      append: constants && Buffer.from(constants.csv),
      expectedFields: kinds.length,
    });
  }

  /** Physical lines of the records that `#wholeRecords` found. */
  #rawLines = 0;

  /** How many of the bytes are in records that have ended, as far as they are to go as they are. */
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

/** Whether the lines that have ended hold neither NUL nor bytes that make no character: PostgreSQL says where they are. */
function isText(bytes: Buffer): boolean {
  return !bytes.includes(0) && isUtf8(bytes.subarray(0, bytes.lastIndexOf(LINE_FEED) + 1));
}
