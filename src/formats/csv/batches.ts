/** Reads CSV records in batches of some MB, from which bad records are sorted out. */
import { BATCH_BYTES, BATCH_ROWS } from '../batch_limits.ts';
import { type CsvDialect, dialectBytes } from './dialect.ts';
import { RECORD_END, RecordScanner, type RowsStart } from './scanner.ts';

/** Whole records in memory. */
export interface RecordBatch {
  bytes: Buffer;
  /** The offset of each record in `bytes`, and of the end of the last. */
  offsets: number[];
  /** The line on which each record starts, and the line after the last record, from 1. */
  lines: number[];
  /** The number of fields of each ragged record, by the record's index. */
  ragged: Map<number, number>;
  /** If the file is normalized. */
  inFile?: RecordsInFile;
}

/** What a normalized file's records are in the file. */
export interface RecordsInFile {
  /** The line of the file on which each record starts, and the line after the last record. */
  lines: number[];
  /** The bytes of each record, without its line end. */
  raws: Buffer[];
}

/**
 * Yields batches of whole records, good and bad. Throws if it is not certain where records end.
 *
 * @throws ConnectorError as `RecordScanner`, except `nul_character`
 */
export async function* readBatches(
  chunks: AsyncIterable<Buffer>,
  dialect: CsvDialect,
  options: RowsStart & { maxRowBytes: number; expectedFields: number },
): AsyncGenerator<RecordBatch> {
  const scanner = new RecordScanner(dialectBytes(dialect), { ...options, fields: 'count', passNul: true });
  const firstLine = (options.lineOffset ?? 0) + 1;
  /** The chunks since the last batch. */
  let pending: Buffer[] = [];
  let offsets = [0];
  let lines = [firstLine];
  let ragged = new Map<number, number>();
  /** The length of `pending` without the current chunk. */
  let before = 0;
  const addRecord = (end: number) => {
    if (scanner.fields !== options.expectedFields) ragged.set(offsets.length - 1, scanner.fields);
    offsets.push(end);
    lines.push(firstLine + scanner.lines);
  };
  const takeBatch = (): RecordBatch => {
    const bytes = Buffer.concat(pending);
    const end = offsets.at(-1)!;
    const batch = { bytes: bytes.subarray(0, end), offsets, lines, ragged };
    pending = end < bytes.length ? [bytes.subarray(end)] : [];
    before -= end;
    offsets = [0];
    lines = [lines.at(-1)!];
    ragged = new Map();
    return batch;
  };
  for await (const chunk of chunks) {
    scanner.load(chunk);
    pending.push(chunk);
    while (scanner.next() === RECORD_END) {
      addRecord(before + scanner.at);
      if (offsets.length > BATCH_ROWS) yield takeBatch();
    }
    before += chunk.length;
    if (offsets.at(-1)! >= BATCH_BYTES) yield takeBatch();
  }
  if (scanner.finish() === RECORD_END) addRecord(before);
  if (offsets.length > 1) yield takeBatch();
}
