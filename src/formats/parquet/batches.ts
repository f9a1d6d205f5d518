/** Batches of a Parquet file: rows in COPY's text format, from which values that PostgreSQL cannot hold are sorted out. */
import type { Refusal, RowBatch } from '../format.ts';
import { pick } from '../pick.ts';
import { rowBytes } from '../row_bytes.ts';
import { RAISED, readRaised } from './text.ts';

const LINE_FEED = 0x0a;
const MARK = Buffer.from(RAISED);

/** Rows in COPY's text format, one row a line. */
interface TextLines {
  bytes: Buffer;
  /** The good lines: their range in `bytes`, and their row number in the file. */
  rows: { start: number; end: number; number: number }[];
  refusals: Refusal[];
}

/** The least size of a batch. */
const BATCH_BYTES = 1 << 20;

/** Regroups chunks into larger ones that end at the end of a line. */
export async function* wholeLines(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  let gathered: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of chunks) {
    gathered.push(chunk);
    bytes += chunk.length;
    // Joining is left until a line ends: a row may be as large as many chunks.
    if (bytes < BATCH_BYTES || !chunk.includes(LINE_FEED)) continue;
    const all = Buffer.concat(gathered);
    const end = all.lastIndexOf(LINE_FEED) + 1;
    yield all.subarray(0, end);
    gathered = [all.subarray(end)];
    bytes = all.length - end;
  }
  if (bytes > 0) yield Buffer.concat(gathered);
}

/**
 * Splits whole lines into rows to copy and refusals, which are the lines that begin with RAISED.
 * @param firstRow the number of the first row, from 1
 */
export function splitLines(bytes: Buffer, firstRow: number): TextLines {
  const lines: TextLines = { bytes, rows: [], refusals: [] };
  for (let start = 0, number = firstRow; start < bytes.length; number++) {
    const end = bytes.indexOf(LINE_FEED, start) + 1;
    const line = bytes.subarray(start, end);
    if (line.subarray(0, MARK.length).equals(MARK)) lines.refusals.push(toRefusal(line, number));
    else lines.rows.push({ start, end, number });
    start = end;
  }
  return lines;
}

export function toBatch({ bytes, rows, refusals }: TextLines): RowBatch {
  return {
    count: rows.length,
    rowsRead: rows.length + refusals.length,
    refusals,
    ragged: [],
    copyInput: (start, end, without = []) => {
      const copied = pick(rows, start, end, without);
      return {
        options: 'format text',
        lineOf: (line) => copied[Math.min(line, copied.length) - 1]!.number,
        unit: 'row',
        data: rowBytes(Buffer.concat(copied.map((row) => bytes.subarray(row.start, row.end))), copied.length),
      };
    },
    rowAt: (number) => rows.findIndex((row) => row.number === number),
    line: (row) => rows[row]!.number,
    raw: (row) => bytes.toString('utf8', rows[row]!.start, rows[row]!.end - 1),
  };
}

function toRefusal(line: Buffer, number: number): Refusal {
  const { column, reason } = readRaised(line.toString('utf8', MARK.length, line.length - 1));
  return { line: number, column, reason, raw: '' };
}
