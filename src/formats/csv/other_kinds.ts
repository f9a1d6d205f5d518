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
const CONVERT = 'Write the data as CSV, JSON or Parquet.';
const SAVE_SHEET = 'Save its sheet as CSV.';
const REMOVE = 'Remove it from the bucket, or leave it out by exclude of the connector.';

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
  { name: 'ORC', marks: ['ORC'], binary: true, hint: CONVERT },
  { name: 'Avro', marks: ['Obj\x01'], hint: CONVERT },
  { name: 'Arrow', marks: ['ARROW1\0\0', 'FEA1', '\xff\xff\xff\xff'], binary: true, hint: CONVERT },
  { name: 'HDF5', marks: ['\x89HDF\r\n'], hint: CONVERT },
  {
    name: 'a picture',
    marks: ['\x89PNG\r\n', '\xff\xd8\xff', 'GIF87a', 'GIF89a'],
    binary: true,
    hint: REMOVE,
  },
  { name: 'a SQLite database', marks: ['SQLite format 3\0'], hint: CONVERT },
  { name: 'PDF', marks: ['%PDF-1.', '%PDF-2.'], hint: CONVERT },
  {
    name: 'an Excel workbook (xls)',
    marks: ['\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1'],
    hint: SAVE_SHEET,
  },
  { name: 'text in UTF-32', marks: ['\xff\xfe\0\0', '\0\0\xfe\xff'], hint: 'Write it in UTF-8.' },
];
// biome-ignore lint/suspicious/noControlCharactersInRegex: it finds them
const CONTROL = /[\0-\x08\x0e-\x1f]/;
/** Control characters without NUL, which may stand in a single value, and without those that separate fields or end a file. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: it finds them
const OF_BINARY_FILES = /[\x04-\x08\x0e-\x19\x1b\x1d]/g;
/** Where a mark that may begin a text must be followed by one. */
const BINARY_START = 16;
/** A text may have one of them by mistake. */
const BINARY_FROM = 5;
const UTF16_MARKS = ['\xff\xfe', '\xfe\xff'];

/** Returns the error for a file of another kind; null if its first bytes say nothing. */
export function otherKind(first: Buffer, encoding: string): ConnectorError | null {
  const text = first.toString('latin1');
  const kind = KINDS.find(
    ({ marks, at = 0, binary = false }) =>
      marks.some((mark) => text.startsWith(mark, at)) &&
      (!binary || CONTROL.test(text.slice(0, BINARY_START))),
  );
  if (kind) return notCsv(kind.name, kind.hint);
  if (isTarHeader(first)) return notCsv('a tar archive', UNPACK);
  return mayBeUtf8(encoding) ? utf16(text, first) : null;
}

/** Whether the file was to be UTF-8, and not UTF-16, which is converted into it. */
function mayBeUtf8(encoding: string): boolean {
  return isUtf8(encoding) && !/16/.test(encoding);
}

function utf16(text: string, first: Buffer): ConnectorError | null {
  const marked = UTF16_MARKS.some((mark) => text.startsWith(mark));
  const name = marked ? 'utf-16' : utf16Without(first);
  if (name === null) return null;
  const why = marked ? 'it begins with its byte order mark' : 'every second byte is NUL';
  return new ConnectorError('invalid_encoding', `the file is UTF-16: ${why}`, {
    hint: `Set csv_encoding of the connector to ${name}.`,
  });
}

/** Returns the encoding of a text in UTF-16 without a mark whose first characters are ASCII; null if it is none. */
function utf16Without(first: Buffer): string | null {
  const start = first.subarray(0, 16);
  if (start.length < 8) return null;
  const isNul = (odd: number) => start.every((byte, i) => (i % 2 === odd) === (byte === 0));
  if (isNul(1)) return 'utf-16le';
  return isNul(0) ? 'utf-16be' : null;
}

/** Returns the error for a file that is no text. Only for one that has another error, or makes the table: COPY takes control characters. */
export function binaryKind(first: Buffer, encoding: string): ConnectorError | null {
  if (!mayBeUtf8(encoding)) return null;
  const found = new Set(first.toString('latin1', 0, LENGTH).match(OF_BINARY_FILES));
  return found.size < BINARY_FROM ? null : notCsv('binary', CONVERT);
}

/** Whether the bytes are the header of a tar archive, of which old ones have no mark: it holds its own checksum. */
function isTarHeader(first: Buffer): boolean {
  if (first.length < LENGTH || first[0] === 0) return false;
  const checksum = /^ *([0-7]{1,7})[\0 ]/.exec(first.toString('latin1', 148, 156))?.[1];
  if (checksum === undefined) return false;
  // The field itself counts as blanks.
  const sum = first.reduce((total, byte, i) => total + (i >= 148 && i < 156 ? 0x20 : byte), 0);
  return sum === Number.parseInt(checksum, 8);
}

/** The entries of documents that are zip files. A person's own file would hardly have such a name. */
const DOCUMENTS: { entry: RegExp; name: string; hint: string }[] = [
  { entry: /^word\//, name: 'a Word document (docx)', hint: CONVERT },
  { entry: /^ppt\//, name: 'a presentation (pptx)', hint: CONVERT },
  {
    entry: /^(mimetype|content\.xml|META-INF\/manifest\.xml)$/,
    name: 'an OpenDocument file (ods)',
    hint: SAVE_SHEET,
  },
  { entry: /^META-INF\/MANIFEST\.MF$/, name: 'a Java archive', hint: CONVERT },
  {
    entry: /^(\[Content_Types\]\.xml|_rels\/\.rels|docProps\/\w+\.xml|xl\/.*\.(xml|bin|rels))$/,
    name: 'an Excel workbook (xlsx), or another document of Office',
    hint: SAVE_SHEET,
  },
];

/** @throws ConnectorError `not_csv` if an entry of an archive belongs to a document */
export function refuseDocument(entryName: string | null): void {
  const document = entryName !== null && DOCUMENTS.find(({ entry }) => entry.test(entryName));
  if (document) throw notCsv(document.name, document.hint);
}

/** @param kind completes "the file is ..." */
export function notCsv(kind: string, hint: string): ConnectorError {
  return new ConnectorError('not_csv', `the file is ${kind}, and not CSV`, { hint });
}
