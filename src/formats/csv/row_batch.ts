/** Turns a batch of CSV records into a row batch: sorts out records that are bad with any values. */
import { ConnectorError } from '../../errors.ts';
import type { Probe, RaggedRows, Refusal, RowBatch, RowSet } from '../format.ts';
import { pick } from '../pick.ts';
import { type RowBytes, rowBytes } from '../row_bytes.ts';
import type { RecordBatch } from './batches.ts';
import { type CsvDialect, dialectBytes } from './dialect.ts';
import { decodeRow } from './encoding.ts';
import { END_MARKER, endMarkerFound } from './end_marker.ts';
import { FileLines } from './normalize/file_lines.ts';
import { headerInput, rawInput } from './raw.ts';
import { raggedRow } from './rewrite.ts';
import { type Newline, newlineBytes, RecordScanner } from './scanner.ts';
import { lastAtMost } from './search.ts';

/** The separator of records that are probed as one line: in no encoding is it part of another character. */
const BETWEEN = Buffer.from(' ');

/** Where some records are in the file. */
export interface PlaceOfRecords {
  /** Maps a line of these records to the file's line. */
  lineOf(line: number): number;
  /** Gets the lines of records that have fewer when they are rewritten. */
  linesAfter: FileLines;
  /** Returns the line of the file on which a record starts, by its index. */
  lineAt(record: number): number;
}

/** How the records of a part become COPY's rows. */
export interface RowRules {
  dialect: CsvDialect;
  newline: Newline | null;
  maxRowBytes: number;
  /** Fields of a record that is not ragged. */
  expectedFields: number;
  /** How many of them are copies of others: the file does not have them, and short records neither. */
  copies: number;
  /** Rewrites whole records for COPY; null if COPY gets them unchanged. */
  rewrite: ((records: Buffer, place: PlaceOfRecords) => RowBytes) | null;
}

/**
 * Returns the row batch. Records with a NUL character become refusals, and ragged records are listed apart.
 * @throws ConnectorError `end_of_data_marker`
 */
export function toRowBatch(batch: RecordBatch, rules: RowRules): RowBatch {
  if (rules.rewrite === null) refuseEndMarker(batch, rules);
  const good: number[] = [];
  const refused: Refused[] = [];
  const ragged = new Map<number, number[]>();
  const hasNul = batch.bytes.includes(0);
  for (let record = 0; record < batch.offsets.length - 1; record++) {
    const fields = batch.ragged.get(record);
    const reason =
      (hasNul ? reasonOfNul(batch, record, rules) : undefined) ??
      (rules.rewrite && fields !== undefined ? reasonOfRagged(batch, record, rules, fields) : undefined);
    if (reason !== undefined) refused.push({ record, reason });
    else if (fields === undefined) good.push(record);
    else group(ragged, Math.min(fields, rules.expectedFields + 1)).push(record);
  }
  const rows = rowSet(batch, good, rules);
  return {
    ...rows,
    rowsRead: batch.offsets.length - 1,
    refusals: refusalsOf(batch, refused, rules),
    ragged: [...ragged].map(([fields, records]) => raggedRows(batch, records, rules, fields)),
  };
}

interface Refused {
  record: number;
  reason: string;
}

function group(groups: Map<number, number[]>, fields: number): number[] {
  const records = groups.get(fields) ?? [];
  groups.set(fields, records);
  return records;
}

function* refusalsOf(batch: RecordBatch, refused: Refused[], { dialect }: RowRules): Generator<Refusal> {
  for (const { record, reason } of refused) {
    const raw = decodeRow(rawOf(batch, record), dialect.encoding);
    yield { line: lineOfRecord(batch, record), column: null, reason, raw };
  }
}

function rowSet(batch: RecordBatch, records: number[], rules: RowRules): RowSet {
  const { dialect, newline, rewrite } = rules;
  const fileLines = records.map((record) => lineOfRecord(batch, record));
  return {
    count: records.length,
    copyInput: (start, end, without = []) => {
      const copied = pick(records, start, end, without);
      const linesAfter = new FileLines();
      const lineOf = (line: number) => lineIn(batch, copied, linesAfter.lineOf(line));
      const lineAt = (record: number) => lineOfRecord(batch, copied[record]!);
      const bytes = joined(batch, copied);
      return rawInput(
        rewrite === null
          ? rowBytes(bytes, copied.length)
          : rewrite(bytes, { lineOf: (line) => lineIn(batch, copied, line), linesAfter, lineAt }),
        dialect,
        {
          newline,
          lineOf,
        },
      );
    },
    rowAt: (line) => lastAtMost(fileLines, line, fileLines.length - 1),
    line: (row) => fileLines[row]!,
    raw: (row) => decodeRow(rawOf(batch, records[row]!), dialect.encoding),
  };
}

function raggedRows(batch: RecordBatch, records: number[], rules: RowRules, fields: number): RaggedRows {
  const rows = rowSet(batch, records, rules);
  if (fields < rules.expectedFields) {
    const probe = (start: number, end: number, without: number[]): Probe => ({
      columns: fields,
      input: rows.copyInput(start, end, without),
    });
    return { ...rows, fields, probe };
  }
  const probe = (start: number, end: number, without: number[]): Probe => ({
    columns: rules.expectedFields,
    input: encodingProbe(batch, pick(records, start, end, without), rules),
  });
  return { ...rows, fields, probe, rowAt: () => -1 };
}

/** Returns records with too many fields as one header line: only a wrong encoding is an earlier error for these. */
function encodingProbe(batch: RecordBatch, records: number[], { dialect, newline }: RowRules) {
  const end = newlineBytes(newline);
  const bytes = records.flatMap((record, i) => {
    const whole = bytesOf(batch, record);
    const ended = whole.subarray(-end.length).equals(end);
    return [...(i === 0 ? [] : [BETWEEN]), ended ? whole.subarray(0, -end.length) : whole];
  });
  return headerInput(Buffer.concat(bytes), dialect, { newline, lineOf: (line) => line });
}

/** The line of the file on which a record starts. */
function lineOfRecord(batch: RecordBatch, record: number): number {
  return (batch.inFile?.lines ?? batch.lines)[record]!;
}

/** The bytes of a record in the file. */
function rawOf(batch: RecordBatch, record: number): Buffer {
  return batch.inFile?.raws[record] ?? bytesOf(batch, record);
}

function bytesOf({ bytes, offsets }: RecordBatch, record: number): Buffer {
  return bytes.subarray(offsets[record], offsets[record + 1]);
}

/** Returns the bytes of some records, in order. */
function joined({ bytes, offsets }: RecordBatch, records: number[]): Buffer {
  const runs: Buffer[] = [];
  for (let at = 0; at < records.length; ) {
    const first = records[at]!;
    let next = first;
    while (records[at] === next) {
      next++;
      at++;
    }
    runs.push(bytes.subarray(offsets[first], offsets[next]));
  }
  return runs.length === 1 ? runs[0]! : Buffer.concat(runs);
}

/** Maps a line of some records to the file's line, both from 1. */
function lineIn(batch: RecordBatch, records: number[], line: number): number {
  const { lines } = batch;
  let left = line;
  for (const record of records) {
    const height = lines[record + 1]! - lines[record]!;
    // The normal form of a record may have more lines than the record has in the file.
    if (left <= height)
      return Math.min(lineOfRecord(batch, record) + left - 1, lineOfRecord(batch, record + 1) - 1);
    left -= height;
  }
  // The last line of a file may have no line end.
  return lineOfRecord(batch, records.at(-1)!);
}

/** Returns the refusal's reason; undefined if no NUL byte of the record is a character of its own. */
function reasonOfNul(batch: RecordBatch, record: number, rules: RowRules): string | undefined {
  const bytes = bytesOf(batch, record);
  if (!bytes.includes(0)) return undefined;
  const scanner = new RecordScanner(dialectBytes(rules.dialect), {
    maxRowBytes: rules.maxRowBytes,
    lineOffset: lineOfRecord(batch, record) - 1,
    newline: rules.newline,
    fields: 'count',
  });
  scanner.load(bytes);
  try {
    scanner.next();
    return undefined;
  } catch (error) {
    if (!(error instanceof ConnectorError && error.code === 'nul_character')) throw error;
    return error.message;
  }
}

function reasonOfRagged(batch: RecordBatch, record: number, rules: RowRules, fields: number): string {
  const { expectedFields: expected, copies } = rules;
  const inFile = fields > expected ? fields - copies : fields;
  return raggedRow(lineOfRecord(batch, record), expected - copies, inFile).message;
}

function refuseEndMarker(batch: RecordBatch, { newline }: RowRules): void {
  const end = newlineBytes(newline);
  for (let at = batch.bytes.indexOf(END_MARKER); at >= 0; at = batch.bytes.indexOf(END_MARKER, at + 1)) {
    const record = lastAtMost(batch.offsets, at, batch.offsets.length - 2);
    const bytes = bytesOf(batch, record);
    if (bytes.equals(END_MARKER) || bytes.equals(Buffer.concat([END_MARKER, end])))
      throw endMarkerFound(lineOfRecord(batch, record));
  }
}
