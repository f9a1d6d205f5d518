/** Reads records in batches of some MB, from which bad records are sorted out. */
import { ConnectorError } from '../../errors.ts';
import { BATCH_BYTES, BATCH_ROWS } from '../batch_limits.ts';
import type { CopyInput, Refusal, RowBatch } from '../format.ts';
import { pick } from '../pick.ts';
import { rowBytes } from '../row_bytes.ts';
import { text } from './copies.ts';
import { NEEDS_MORE } from './finder.ts';
import { checkKeys, problemOf } from './judge.ts';
import type { JsonPlan } from './plan.ts';
import { RecordReader } from './record.ts';
import { RowEncoder } from './row_encoder.ts';
import { newTree } from './tree.ts';
import { readWindows } from './windows.ts';

/** @throws ConnectorError the errors of `RecordFinder` and `checkKeys` */
export async function* readBatches(chunks: AsyncIterable<Buffer>, plan: JsonPlan): AsyncGenerator<RowBatch> {
  const reader = new RecordReader(newTree(plan));
  const encoder = new RowEncoder(plan);
  let batch = new Batch();
  for await (const window of readWindows(chunks, reader, plan)) {
    const { finder } = window;
    for (let found = finder.next(); found !== NEEDS_MORE; found = finder.next()) {
      const raw = Buffer.from(reader.bytes.subarray(finder.start, finder.end));
      let problem = problemOf(window, found, plan.unit);
      if (problem === null) {
        if (reader.unknownKey !== null) checkKeys(window, plan);
        problem = refusalOf(() => encoder.addText(reader, finder.place));
      }
      if (problem === null) batch.add(finder.place, raw, encoder.filled);
      else batch.refuse(finder.place, raw, problem);
      if (encoder.filled + batch.rawBytes >= BATCH_BYTES || batch.rowsRead === BATCH_ROWS) {
        yield batch.toRows(encoder.take());
        batch = new Batch();
      }
    }
  }
  if (batch.rowsRead > 0) yield batch.toRows(encoder.take());
}

function refusalOf(add: () => void): ConnectorError | null {
  try {
    add();
    return null;
  } catch (error) {
    if (!(error instanceof ConnectorError)) throw error;
    return error;
  }
}

class Batch {
  rawBytes = 0;
  readonly #lines: number[] = [];
  readonly #raws: Buffer[] = [];
  /** Where each row ends in the encoded rows. */
  readonly #ends: number[] = [0];
  readonly #refusals: Refusal[] = [];

  get rowsRead(): number {
    return this.#lines.length + this.#refusals.length;
  }

  add(line: number, raw: Buffer, end: number): void {
    this.#lines.push(line);
    this.#raws.push(raw);
    this.#ends.push(end);
    this.rawBytes += raw.length;
  }

  refuse(line: number, raw: Buffer, error: ConnectorError): void {
    const { message, column } = error;
    const reason = message.replace(/^(?:line|row) \d+(?:, column [^:]+)?: /, '');
    const mismatch = column === undefined ? undefined : error;
    this.#refusals.push({ line, column: column ?? null, reason, raw: raw.toString(), mismatch });
    this.rawBytes += raw.length;
  }

  /** @param rows in COPY's text format */
  toRows(rows: Uint8Array): RowBatch {
    const lines = this.#lines;
    const copyInput = (start: number, end: number, without: number[] = []): CopyInput => {
      const copied = pick([...lines.keys()], start, end, without);
      const bytes = copied.map((row) => rows.subarray(this.#ends[row], this.#ends[row + 1]));
      return {
        ...text(rowBytes(Buffer.concat(bytes), copied.length)),
        // Several records may be on one line, so that `rowAt` needs the row.
        lineOf: (row) => copied[Math.min(row, copied.length) - 1]! + 1,
        unit: 'row',
      };
    };
    return {
      count: lines.length,
      rowsRead: this.rowsRead,
      refusals: this.#refusals,
      ragged: [],
      copyInput,
      rowAt: (row) => row - 1,
      line: (row) => lines[row]!,
      raw: (row) => this.#raws[row]!.toString(),
    };
  }
}
