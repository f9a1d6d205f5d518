/** A "section" is a run of records that go into COPY in the same way: as binary, or as text. */

import { NEEDS_MORE } from './finder.ts';
import { checkKeys, problemOf } from './judge.ts';
import type { JsonPlan } from './plan.ts';
import { RecordReader } from './record.ts';
import { FULL_BYTES, RowEncoder } from './row_encoder.ts';
import { newTree } from './tree.ts';
import { readWindows } from './windows.ts';

export interface Section {
  kind: 'binary' | 'text';
  data: Uint8Array<ArrayBuffer>;
  rows: number;
  /** The line of the file on which the first row starts, or its number. */
  firstLine: number;
  /** The line on which each row starts; null if every row starts on the line after the one before. */
  lines: Uint32Array<ArrayBuffer> | null;
}

/** How many bytes of records go as text after one that only PostgreSQL can judge. The number doubles with each such record. */
const FIRST_TEXT_BYTES = 64 * 1024;
/** The number is reset when this many times as many bytes were encoded since the last such record. */
const RESET_FACTOR = 16;

/**
 * Cuts a part into sections: binary while the encoder is certain of every value, and text otherwise. Each change of kind needs a COPY
 * of its own, so text sections grow if uncertain records are frequent.
 * @throws ConnectorError the errors of `RecordFinder`, `problemOf`, `checkKeys` and `RowEncoder.addText`
 */
export async function* readSections(chunks: AsyncIterable<Buffer>, plan: JsonPlan): AsyncGenerator<Section> {
  const reader = new RecordReader(newTree(plan));
  const cutter = new SectionCutter(plan, reader);
  for await (const window of readWindows(chunks, reader, plan)) {
    const { finder } = window;
    for (let found = finder.next(); found !== NEEDS_MORE; found = finder.next()) {
      const problem = problemOf(window, found, plan.unit);
      if (problem) {
        // COPY judges the rows before it first.
        yield* cutter.take();
        throw problem;
      }
      if (reader.unknownKey !== null) checkKeys(window, plan);
      yield* cutter.add(finder.place, finder.end - finder.start);
    }
  }
  yield* cutter.take();
}

class SectionCutter {
  readonly #reader: RecordReader;
  readonly #encoder: RowEncoder;
  readonly #encodes: boolean;
  #kind: Section['kind'];
  #rows = 0;
  #firstLine = 0;
  #lastLine = 0;
  /** Null while every row is on the next line. */
  #lines: number[] | null = null;
  /** Bytes that still go as text, and how many will after the next uncertain record. */
  #textLeft = 0;
  #nextTextBytes = FIRST_TEXT_BYTES;
  #encodedBytes = 0;

  constructor(plan: JsonPlan, reader: RecordReader) {
    this.#reader = reader;
    this.#encoder = new RowEncoder(plan);
    this.#encodes = plan.binary !== null;
    this.#kind = this.#encodes ? 'binary' : 'text';
  }

  /** Adds the reader's record. */
  *add(line: number, size: number): Generator<Section> {
    if (this.#kind === 'binary') {
      if (this.#encoder.addBinary(this.#reader)) {
        this.#encodedBytes += size;
        return yield* this.#count(line);
      }
      this.#nextTextBytes =
        this.#encodedBytes > this.#nextTextBytes * RESET_FACTOR ? FIRST_TEXT_BYTES : this.#nextTextBytes * 2;
      this.#textLeft = this.#nextTextBytes;
      this.#encodedBytes = 0;
      yield* this.take();
      this.#kind = 'text';
    } else if (this.#encodes && this.#textLeft <= 0) {
      yield* this.take();
      this.#kind = 'binary';
      return yield* this.add(line, size);
    }
    this.#textLeft -= size;
    this.#encoder.addText(this.#reader, line);
    yield* this.#count(line);
  }

  *#count(line: number): Generator<Section> {
    if (this.#rows === 0) this.#firstLine = line;
    else if (line !== this.#lastLine + 1)
      this.#lines ??= Array.from({ length: this.#rows }, (_, row) => this.#firstLine + row);
    this.#lines?.push(line);
    this.#lastLine = line;
    this.#rows++;
    if (this.#encoder.filled >= FULL_BYTES) yield* this.take();
  }

  /** Yields what is left. */
  *take(): Generator<Section> {
    if (this.#rows === 0) return;
    const section: Section = {
      kind: this.#kind,
      data: this.#encoder.take(),
      rows: this.#rows,
      firstLine: this.#firstLine,
      lines: this.#lines && Uint32Array.from(this.#lines),
    };
    this.#rows = 0;
    this.#lines = null;
    yield section;
  }
}
