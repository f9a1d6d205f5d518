import type { Refusal, RowBatch } from '../format.ts';
import { rowBytes } from '../row_bytes.ts';
import { RAISED, readRaised } from './text.ts';

const LINE_FEED = 0x0a;
const MARK = Buffer.from(RAISED);

/** The lines of a chunk of COPY's text format; a line is a row. */
export interface TextLines {
  bytes: Buffer;
  /** The lines that COPY is to see: their range in `bytes`, and their number in the file. */
  rows: { start: number; end: number; number: number }[];
  refusals: Refusal[];
}

/** Bytes of lines that are made one chunk. */
const BATCH_BYTES = 1 << 20;

/** Cuts what comes in pieces at the ends of lines, many lines to a chunk. */
export async function* wholeLines(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  let gathered: Uint8Array[] = [];
  let bytes = 0;
  for await (const piece of pieces) {
    gathered.push(piece);
    bytes += piece.length;
    if (bytes < BATCH_BYTES) continue;
    const chunk = Buffer.concat(gathered);
    const end = chunk.lastIndexOf(LINE_FEED) + 1;
    if (end > 0) yield chunk.subarray(0, end);
    gathered = [chunk.subarray(end)];
    bytes = chunk.length - end;
  }
  if (bytes > 0) yield Buffer.concat(gathered);
}

/** Cuts a chunk of whole lines, the first of which is the file's row `firstRow`, and sets the marked ones apart. */
export function splitLines(chunk: Uint8Array, firstRow: number): TextLines {
  const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
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
      const copied = rows.slice(start, end).filter((_, i) => !without.includes(start + i));
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
