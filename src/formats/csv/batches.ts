import { type CsvDialect, dialectBytes } from './dialect.ts';
import { RECORD_END, RecordScanner, type RowsStart } from './scanner.ts';

/** Bytes after which a batch is full. */
const BATCH_BYTES = 4 << 20;

/** Whole records in memory, and where each begins. */
export interface RecordBatch {
  bytes: Buffer;
  /** Offset of each record in `bytes`, and of the end of the last. */
  offsets: number[];
  /** Physical line at which each record starts, and the one after the last, from 1. */
  lines: number[];
  /** The number of fields of each record that has another one than it should, by the record's index. */
  ragged: Map<number, number>;
}

/**
 * Cuts a file into batches of whole records. A record that is bad is one as any other; what makes it doubtful where
 * records end is an error.
 *
 * @throws ConnectorError as `RecordScanner`, but for `nul_character`
 */
export async function* readBatches(
  chunks: AsyncIterable<Buffer>,
  dialect: CsvDialect,
  options: RowsStart & { maxRowBytes: number; expectedFields: number },
): AsyncGenerator<RecordBatch> {
  const scanner = new RecordScanner(dialectBytes(dialect), { ...options, fields: 'count', passNul: true });
  const firstLine = (options.lineOffset ?? 0) + 1;
  /** Chunks since the last batch, and how many bytes of them are in whole records. */
  let pieces: Buffer[] = [];
  let offsets = [0];
  let lines = [firstLine];
  let ragged = new Map<number, number>();
  let before = 0;
  const addRecord = (end: number) => {
    if (scanner.fields !== options.expectedFields) ragged.set(offsets.length - 1, scanner.fields);
    offsets.push(end);
    lines.push(firstLine + scanner.lines);
  };
  const takeBatch = (): RecordBatch => {
    const bytes = Buffer.concat(pieces);
    const end = offsets.at(-1)!;
    const batch = { bytes: bytes.subarray(0, end), offsets, lines, ragged };
    pieces = end < bytes.length ? [bytes.subarray(end)] : [];
    before = bytes.length - end;
    offsets = [0];
    lines = [lines.at(-1)!];
    ragged = new Map();
    return batch;
  };
  for await (const chunk of chunks) {
    scanner.load(chunk);
    pieces.push(chunk);
    while (scanner.next() === RECORD_END) addRecord(before + scanner.at);
    before += chunk.length;
    if (offsets.at(-1)! >= BATCH_BYTES) yield takeBatch();
  }
  if (scanner.finish() === RECORD_END) addRecord(before);
  if (offsets.length > 1) yield takeBatch();
}
