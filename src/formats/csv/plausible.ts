/**
 * Looks at the start of a file before a table is made from it. Nearly every text can be read as CSV, and a wrong table would
 * block all later files.
 */
import { ConnectorError } from '../../errors.ts';
import { type CsvDialect, dialectBytes } from './dialect.ts';
import { binaryKind, notCsv } from './other_kinds.ts';
import { RECORD_END, RecordScanner } from './scanner.ts';

/** The start of a file. */
export interface Sample {
  bytes: Buffer;
  /** Whether it is all of the file. */
  whole: boolean;
}

const SAMPLE_BYTES = 64 * 1024;
/** How many records are looked at. */
const RECORDS = 20;
const HASH = 0x23;
const LF = 0x0a;
const DELIMITERS = [';', '\t', '|', ','];
/** They separate fields only if all records, and the header, have as many of them. Blanks do so only from three fields on. */
const RARE_DELIMITERS = ['\x01', '\x1f', '^', '~', ' ', ':'];

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
  const kind =
    binaryKind(sample.bytes, dialect.encoding) ?? markupOf(text) ?? jsonOf(text) ?? otherTextOf(text);
  if (kind) throw kind;
  refuseSeparatorLine(text);
  refuseTextLayout(sample, dialect);
  refuseComments(sample, dialect);
  refuseOtherShape(sample, dialect);
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
  const begins = /^(\{\s*("(\\.|[^"\\])*"\s*:|\}|$)|\[\s*([[{"]|-?\d[\d\s.,eE+-]*\]|$))/.test(first);
  if (!begins) return null;
  return notCsv(first.startsWith('{') && first.endsWith('}') ? 'JSON lines' : 'JSON', hint);
}

/** Formats of text that are no tables, by the lines with which they begin. */
const TEXTS: { begins: RegExp; name: string }[] = [
  { begins: /^(%YAML.*\r?\n)?---\s*(#.*)?\r?\n/, name: 'YAML' },
  { begins: /^\[[^\]\r\n]+\][^\S\n]*\n\s*([\w.-]+\s*=|[;#[])/, name: 'a configuration file (INI)' },
  { begins: /^#{1,6} [^\r\n]+\r?\n\s*\n/, name: 'Markdown' },
  {
    begins: /^\s*(--[^\n]*\n\s*)*(create (table|database|schema)|insert into|drop table)\s/i,
    name: 'SQL',
  },
];
/** A line of YAML: a key and what it has, or an item of a list. */
const YAML_LINE = /^\s*(- .*|[\w.-]+:( .*)?)$/;

function otherTextOf(text: string): ConnectorError | null {
  const hint = 'Write the data as CSV, JSON or Parquet. If it is a CSV nevertheless, create the table first.';
  const known = TEXTS.find(({ begins }) => begins.test(text));
  if (known) return notCsv(known.name, hint);
  // The last line may be cut.
  const lines = text.split(/\r?\n/).slice(0, -1).filter(Boolean);
  return lines.length >= 3 && lines.every((line) => YAML_LINE.test(line)) ? notCsv('YAML', hint) : null;
}

/** Refuses what MySQL, Hive and COPY itself write with tabs: `\N` is null, and a backslash escapes. */
function refuseTextLayout(sample: Sample, dialect: CsvDialect): void {
  if (dialect.delimiter === '\t' || !/(^|\t)\\N(\t|\r?$)/m.test(sample.bytes.toString('latin1'))) return;
  if (recordsOf(sample, dialect)[0]?.fields !== 1) return;
  throw notCsv(
    'text separated by tabs, with \\N for null',
    'Set file_format of the connector to mysql; and csv_skip_header to true if the first line has names.',
  );
}

function refuseSeparatorLine(text: string): void {
  const delimiter = /^"?sep=(.)"?\r?(\n|$)/i.exec(text)?.[1];
  if (delimiter === undefined) return;
  throw new ConnectorError('not_csv', `the file's first line is "sep=${delimiter}", which only Excel reads`, {
    hint: useFormat(`skip_lines 1 and csv_delimiter ${shown(delimiter)}`),
  });
}

/** Refuses a file that begins with lines of a comment, which have other fields than the rows, or are several. */
function refuseComments(sample: Sample, dialect: CsvDialect): void {
  if (sample.bytes[0] !== HASH) return;
  const records = recordsOf(sample, dialect);
  const row = records.find(({ isComment }) => !isComment);
  if (row === undefined || (row.fields === records[0]!.fields && !records[1]!.isComment)) return;
  const what = 'the file begins with "#": lines of a comment, and not its header';
  if (/^#Version: 1\.0\r?\n#Fields: date time x-edge-location\b/.test(sample.bytes.toString('latin1')))
    throw new ConnectorError('not_csv', `${what}. It is a log of CloudFront`, {
      hint: 'Set file_format of the connector to cloudfront.',
    });
  const other = row.fields === 1 ? otherShapeOf(fromLine(sample, row.line), dialect) : null;
  const alsoSet = other === null ? '' : ` and csv_delimiter ${shown(other.delimiter)}`;
  throw new ConnectorError('not_csv', what, { hint: useFormat(`comment_prefix '#'${alsoSet}`) });
}

/** Returns the sample from a line on. */
function fromLine({ bytes, whole }: Sample, line: number): Sample {
  let start = 0;
  for (let at = 1; at < line; at++) start = bytes.indexOf(LF, start) + 1;
  return { bytes: bytes.subarray(start), whole };
}

/** Refuses a file whose header is one column, but whose rows have several, by its delimiter or another one. */
function refuseOtherShape(sample: Sample, dialect: CsvDialect): void {
  if (recordsOf(sample, dialect)[0]?.fields !== 1) return;
  const found = otherShapeOf(sample, dialect);
  if (found?.shape.line === 1) throw otherDelimiter(sample, dialect, found.delimiter, found.shape);
  const own = shapeOf(sample, dialect);
  if (own !== null) throw preambleBefore(own);
  // Texts may have such a character in each of some lines by chance.
  if (found && found.shape.fields >= 3 && found.shape.records >= 3)
    throw preambleBefore(found.shape, found.delimiter);
}

/** Returns the delimiter by which the records have the most fields; null if none separates them. */
function otherShapeOf(sample: Sample, dialect: CsvDialect): { delimiter: string; shape: Shape } | null {
  const shapesBy = (delimiters: string[]) =>
    delimiters
      .filter((delimiter) => ![dialect.delimiter, dialect.quote].includes(delimiter))
      .flatMap((delimiter) => {
        const shape = shapeOf(sample, { ...dialect, delimiter });
        return shape ? [{ delimiter, shape }] : [];
      })
      .sort((a, b) => b.shape.fields - a.shape.fields);
  const rare = () =>
    shapesBy(RARE_DELIMITERS).filter(
      ({ delimiter, shape }) => shape.line === 1 && shape.fields >= (delimiter === ' ' ? 3 : 2),
    );
  return shapesBy(DELIMITERS)[0] ?? rare()[0] ?? null;
}

function otherDelimiter(
  sample: Sample,
  dialect: CsvDialect,
  delimiter: string,
  { fields }: Shape,
): ConnectorError {
  const longer = longerDelimiter(sample.bytes.toString('latin1').split('\n', 1)[0]!, delimiter);
  if (longer !== null)
    return notCsv(`separated by ${shown(longer)}`, useFormat(`csv_delimiter ${shown(longer)}`));
  return new ConnectorError(
    'not_csv',
    `the file has one column by csv_delimiter ${shown(dialect.delimiter)}, and ${fields} columns by ${shown(delimiter)}`,
    {
      hint: `Pause the connector, set csv_delimiter to ${shown(delimiter)}, resume it, then retry the file. If one column is right, create the table first.`,
    },
  );
}

/** Returns the signs that stand between all names of a header, if they are more than the delimiter: `||`, `|~|`. */
function longerDelimiter(header: string, delimiter: string): string | null {
  const signs = (header.match(/[^\w\s"'.\x80-\xff-]+/g) ?? []).filter((run) => run.includes(delimiter));
  const [first] = signs;
  return first !== undefined && first.length > 1 && signs.every((run) => run === first) ? first : null;
}

/** @param delimiter if it is not the format's own */
function preambleBefore({ line, fields }: Shape, delimiter?: string): ConnectorError {
  const by = delimiter === undefined ? '' : ` by ${shown(delimiter)}`;
  const alsoSet = delimiter === undefined ? '' : ` and csv_delimiter ${shown(delimiter)}`;
  return new ConnectorError(
    'not_csv',
    `line 1 has 1 column, and the lines from line ${line} on have ${fields} columns${by}: the header is not the first line`,
    {
      hint: `${useFormat(`skip_lines ${line - 1}${alsoSet}`)} If one column is right, create the table first.`,
    },
  );
}

const useFormat = (options: string) =>
  `Insert a row into file_formats with ${options}, and name it in file_format of the connector.`;

/** The run of records at the end of a sample that have the same number of fields, of at least 2 records and 2 fields. */
interface Shape {
  fields: number;
  records: number;
  /** The line on which it begins. */
  line: number;
}

function shapeOf(sample: Sample, dialect: CsvDialect): Shape | null {
  const records = recordsOf(sample, dialect);
  const fields = records.at(-1)?.fields ?? 1;
  const before = records.findLastIndex((record) => record.fields !== fields);
  const first = records[before + 1];
  if (first === undefined || fields < 2 || records.length - before - 1 < 2) return null;
  return { fields, records: records.length - before - 1, line: first.line };
}

interface SampleRecord {
  fields: number;
  line: number;
  isComment: boolean;
}

/** Returns the first records; none if they cannot be told apart. */
function recordsOf({ bytes, whole }: Sample, dialect: CsvDialect): SampleRecord[] {
  const scanner = new RecordScanner(dialectBytes(dialect), { maxRowBytes: SAMPLE_BYTES, fields: 'count' });
  const records: SampleRecord[] = [];
  const add = () => {
    const { fields, line, start } = scanner;
    records.push({ fields, line, isComment: bytes[start] === HASH });
  };
  try {
    scanner.load(bytes);
    while (records.length < RECORDS && scanner.next() === RECORD_END) add();
    if (whole && records.length < RECORDS && scanner.finish() === RECORD_END) add();
  } catch (error) {
    if (!(error instanceof ConnectorError)) throw error;
    return [];
  }
  return records;
}

/** As a person would write it in SQL. */
function shown(delimiter: string): string {
  if (delimiter === '\t') return 'a tab';
  const code = delimiter.charCodeAt(0);
  return code < 0x20 ? `e'\\x${code.toString(16).padStart(2, '0')}'` : `'${delimiter}'`;
}
