/** Recognizes files that are no CSV by their first bytes, so that the error says what they are. */
import { ConnectorError } from '../../errors.ts';
import { isUtf8 } from './encoding.ts';

/** How many bytes are looked at: a tar archive has its mark at 257. */
const LENGTH = 512;

/** Keeps the first bytes of a stream while it passes. */
export class FirstBytes {
  #bytes: Buffer = Buffer.alloc(0);

  get bytes(): Buffer {
    return this.#bytes;
  }

  async *watch(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const chunk of chunks) {
      const missing = LENGTH - this.#bytes.length;
      if (missing > 0) this.#bytes = Buffer.concat([this.#bytes, chunk.subarray(0, missing)]);
      yield chunk;
    }
  }
}

interface Kind {
  name: string;
  /** Bytes as Latin-1, one of which is at the position `at`, by default 0. */
  marks: string[];
  at?: number;
  /** Whether the mark may also begin a text, which has no control characters. */
  binary?: boolean;
  hint: string;
}

const UNPACK = 'Put the CSV files that it holds into the bucket, plain or as gzip, zip or zstd.';
const CONVERT = 'Write the data as CSV or Parquet.';

const KINDS: Kind[] = [
  { name: 'a tar archive', at: 257, marks: ['ustar\0', 'ustar '], hint: UNPACK },
  // Other compressions are refused before, unless they are within one.
  {
    name: 'compressed twice',
    marks: ['\x1f\x8b\x08', 'PK\x03\x04', '\x28\xb5\x2f\xfd'],
    hint: 'Compress it once.',
  },
  // The first page begins with a Thrift field.
  { name: 'Parquet', marks: ['PAR1\x15'], hint: 'Set file_format of the connector to parquet.' },
  { name: 'ORC', marks: ['ORC\x08', 'ORC\x0a', 'ORC\x12', 'ORC\x1a'], binary: true, hint: CONVERT },
  { name: 'Avro', marks: ['Obj\x01'], hint: CONVERT },
  { name: 'Arrow', marks: ['ARROW1\0\0'], hint: CONVERT },
  { name: 'a SQLite database', marks: ['SQLite format 3\0'], hint: CONVERT },
  { name: 'PDF', marks: ['%PDF-1.', '%PDF-2.'], hint: CONVERT },
  {
    name: 'an Excel workbook (xls)',
    marks: ['\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1'],
    hint: 'Save its sheet as CSV.',
  },
  { name: 'text in UTF-32', marks: ['\xff\xfe\0\0', '\0\0\xfe\xff'], hint: 'Write it in UTF-8.' },
];
// biome-ignore lint/suspicious/noControlCharactersInRegex: it finds them
const CONTROL = /[\0-\x08\x0e-\x1f]/;
const UTF16_MARKS = ['\xff\xfe', '\xfe\xff'];

/** Returns the error for a file of another kind; null if its first bytes say nothing. */
export function otherKind(first: Buffer, encoding: string): ConnectorError | null {
  const text = first.toString('latin1');
  const kind = KINDS.find(
    ({ marks, at = 0, binary = false }) =>
      marks.some((mark) => text.startsWith(mark, at)) && (!binary || CONTROL.test(text)),
  );
  if (kind) return notCsv(kind.name, kind.hint);
  const isUtf16 = UTF16_MARKS.some((mark) => text.startsWith(mark));
  if (!isUtf16 || !isUtf8(encoding) || /16/.test(encoding)) return null;
  return new ConnectorError('invalid_encoding', 'the file is UTF-16: it begins with its byte order mark', {
    hint: 'Set csv_encoding of the connector to utf-16.',
  });
}

/** Files that are in each workbook, which is a zip. A person's own file would hardly have such a name. */
const WORKBOOK_ENTRY = /^(\[Content_Types\]\.xml|_rels\/\.rels|docProps\/\w+\.xml|xl\/.*\.(xml|bin|rels))$/;

/** @throws ConnectorError `not_csv` if an entry of an archive belongs to a workbook */
export function refuseWorkbook(entryName: string | null): void {
  if (entryName !== null && WORKBOOK_ENTRY.test(entryName))
    throw notCsv('an Excel workbook (xlsx)', 'Save its sheet as CSV.');
}

/** @param kind completes "the file is ..." */
export function notCsv(kind: string, hint: string): ConnectorError {
  return new ConnectorError('not_csv', `the file is ${kind}, and not CSV`, { hint });
}
