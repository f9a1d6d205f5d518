/**
 * Looks at the start of a file before a table is made from it. Nearly every text can be read as CSV, and a wrong table would
 * block all later files.
 */
import { ConnectorError } from '../../errors.ts';
import { type CsvDialect, dialectBytes } from './dialect.ts';
import { notCsv } from './other_kinds.ts';
import { RECORD_END, RecordScanner } from './scanner.ts';

/** The start of a file. */
export interface Sample {
  bytes: Buffer;
  /** Whether it is all of the file. */
  whole: boolean;
}

const SAMPLE_BYTES = 64 * 1024;
/** How many records must have the same number of fields for another delimiter. */
const RECORDS = 6;
const DELIMITERS = [';', '\t', '|', ','];

/** @param chunks without a byte order mark */
export async function takeSample(chunks: AsyncIterable<Buffer>): Promise<Sample> {
  const taken: Buffer[] = [];
  let length = 0;
  for await (const chunk of chunks) {
    taken.push(chunk);
    length += chunk.length;
    if (length >= SAMPLE_BYTES)
      return { bytes: Buffer.concat(taken).subarray(0, SAMPLE_BYTES), whole: false };
  }
  return { bytes: Buffer.concat(taken), whole: true };
}

/** @throws ConnectorError `not_csv` if the sample is evidently something else, or has another delimiter */
export function refuseImplausible(sample: Sample, dialect: CsvDialect): void {
  const text = sample.bytes.toString('utf8');
  if (sample.whole && /^[ \t\r\n]*$/.test(text) && !text.includes(dialect.delimiter)) {
    throw new ConnectorError('not_csv', 'the file has nothing but blank lines, so it names no columns', {
      hint: 'Remove it, or cancel it with cancel_file. The next file makes the table.',
    });
  }
  const kind = markupOf(text) ?? jsonOf(text);
  if (kind) throw kind;
  refuseSeparatorLine(text);
  refuseOtherDelimiter(sample, dialect);
}

function markupOf(text: string): ConnectorError | null {
  if (!/^\s*<(\?xml\b|![a-z-]|[a-z][\w.:-]*[\s/>])/i.test(text)) return null;
  const kind = /<(!doctype\s+)?html\b/i.test(text.slice(0, 1000)) ? 'an HTML page' : 'XML';
  return notCsv(
    kind,
    'Such a file is often the error message of a server, saved in place of the file. Write the file again, then retry it.',
  );
}

function jsonOf(text: string): ConnectorError | null {
  const first = /^\s*([[{].*)/.exec(text)?.[1]?.trim();
  if (first === undefined) return null;
  const hint =
    "Pause the connector, set file_format to 'json', resume it, then retry the file. To import each line as one text, create a table with one column first.";
  const begins = /^(\{\s*("(\\.|[^"\\])*"\s*:|\}|$)|\[\s*([[{"]|$))/.test(first);
  if (!begins) return null;
  return notCsv(first.startsWith('{') && first.endsWith('}') ? 'JSON lines' : 'JSON', hint);
}

function refuseSeparatorLine(text: string): void {
  const delimiter = /^"?sep=(.)"?\r?(\n|$)/i.exec(text)?.[1];
  if (delimiter === undefined) return;
  throw new ConnectorError('not_csv', `the file's first line is "sep=${delimiter}", which only Excel reads`, {
    hint: `Insert a row into file_formats with skip_lines 1 and csv_delimiter ${shown(delimiter)}, and name it in file_format of the connector.`,
  });
}

/** Refuses a file whose header is one column, but in which all records have several by another delimiter. */
function refuseOtherDelimiter(sample: Sample, dialect: CsvDialect): void {
  if (countsOf(sample, dialect)[0] !== 1) return;
  const found = DELIMITERS.filter((delimiter) => ![dialect.delimiter, dialect.quote].includes(delimiter))
    .map((delimiter) => ({ delimiter, fields: same(countsOf(sample, { ...dialect, delimiter })) }))
    .sort((a, b) => b.fields - a.fields)[0];
  if (found === undefined || found.fields < 2) return;
  const twice = found.delimiter.repeat(2);
  if (sample.bytes.toString('latin1').split('\n', 1)[0]!.includes(twice)) {
    throw notCsv(`separated by '${twice}'`, 'Write it with a delimiter of one character.');
  }
  throw new ConnectorError(
    'not_csv',
    `the file has one column by csv_delimiter ${shown(dialect.delimiter)}, and ${found.fields} columns by ${shown(found.delimiter)}`,
    {
      hint: `Pause the connector, set csv_delimiter to ${shown(found.delimiter)}, resume it, then retry the file. If one column is right, create the table first.`,
    },
  );
}

/** Returns the number that all counts have; 0 if they differ, or there is only one. */
function same(counts: number[]): number {
  return counts.length > 1 && counts.every((count) => count === counts[0]) ? counts[0]! : 0;
}

/** Returns the number of fields of the first records; none if they cannot be told apart. */
function countsOf({ bytes, whole }: Sample, dialect: CsvDialect): number[] {
  const scanner = new RecordScanner(dialectBytes(dialect), { maxRowBytes: SAMPLE_BYTES, fields: 'count' });
  const counts: number[] = [];
  try {
    scanner.load(bytes);
    while (counts.length < RECORDS && scanner.next() === RECORD_END) counts.push(scanner.fields);
    if (whole && counts.length < RECORDS && scanner.finish() === RECORD_END) counts.push(scanner.fields);
  } catch (error) {
    if (!(error instanceof ConnectorError)) throw error;
    return [];
  }
  return counts;
}

const shown = (delimiter: string) => (delimiter === '\t' ? 'a tab' : `'${delimiter}'`);
