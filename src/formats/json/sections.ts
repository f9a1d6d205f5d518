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
export async function* readSections(
  chunks: AsyncIterable<Buffer>,
  plan: JsonPlan,
): AsyncGenerator<Section, undefined> {
  const reader = new RecordReader(newTree(plan));
  const cutter = new SectionCutter(plan, reader);
  try {
    for await (const window of readWindows(chunks, reader, plan)) {
      const { finder } = window;
      for (let found = finder.next(); found !== NEEDS_MORE; found = finder.next()) {
        const problem = problemOf(window, found, plan.unit);
        if (problem) throw problem;
        if (reader.unknownKey !== null) checkKeys(window, plan);
        cutter.add(finder.place, finder.end - finder.start);
        if (cutter.hasSections) yield* cutter.take();
      }
    }
  } catch (error) {
    // COPY judges the rows before it first.
    cutter.flush();
    yield* cutter.take();
    throw error;
  }
  cutter.flush();
  yield* cutter.take();
}

class SectionCutter {
  readonly #reader: RecordReader;
  readonly #encoder: RowEncoder;
  readonly #encodes: boolean;
  readonly #sections: Section[] = [];
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

  get hasSections(): boolean {
    return this.#sections.length > 0;
  }

  /** Returns the sections that are complete. */
  take(): Section[] {
    return this.#sections.splice(0);
  }

  /**
   * Adds the reader's record.
   * @param place its line, or its number
   */
  add(place: number, size: number): void {
    if (this.#kind === 'binary' || (this.#encodes && this.#textLeft <= 0)) {
      this.#startAs('binary');
      if (this.#encoder.addBinary(this.#reader, place)) {
        this.#encodedBytes += size;
        this.#count(place);
        return;
      }
      this.#nextTextBytes =
        this.#encodedBytes > this.#nextTextBytes * RESET_FACTOR ? FIRST_TEXT_BYTES : this.#nextTextBytes * 2;
      this.#textLeft = this.#nextTextBytes;
      this.#encodedBytes = 0;
    }
    this.#startAs('text');
    this.#textLeft -= size;
    this.#encoder.addText(this.#reader, place);
    this.#count(place);
  }

  #startAs(kind: Section['kind']): void {
    if (this.#kind === kind) return;
    this.flush();
    this.#kind = kind;
  }

  #count(place: number): void {
    if (this.#rows === 0) this.#firstLine = place;
    else if (place !== this.#lastLine + 1)
      this.#lines ??= Array.from({ length: this.#rows }, (_, row) => this.#firstLine + row);
    this.#lines?.push(place);
    this.#lastLine = place;
    this.#rows++;
    if (this.#encoder.filled >= FULL_BYTES) this.flush();
  }

  /** Completes the current section. */
  flush(): void {
    if (this.#rows === 0) return;
    this.#sections.push({
      kind: this.#kind,
      data: this.#encoder.take(),
      rows: this.#rows,
      firstLine: this.#firstLine,
      lines: this.#lines && Uint32Array.from(this.#lines),
    });
    this.#rows = 0;
    this.#lines = null;
  }
}
