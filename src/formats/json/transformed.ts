/** Writes the records of a part as a CSV for a transform: a column for each key, with the text that json_populate_record would read. */
import type { Entry } from '../../compression/entries.ts';
import { checkExpanded, limitsOf } from '../../compression/limits.ts';
import { quoteText } from '../duckdb_quote.ts';
import type { FormatSettings } from '../format.ts';
import type { ToTransform } from '../transformed.ts';
import { NEEDS_MORE } from './finder.ts';
import type { RecordSource } from './infer.ts';
import { problemOf } from './judge.ts';
import { isPath, stepsOf } from './path.ts';
import { ABSENT, ESCAPED, NULL, RecordReader } from './record.ts';
import { KeyTree } from './tree.ts';
import { unescapeString } from './unescape.ts';
import { readWindows } from './windows.ts';

const QUOTE = '"';
const COMMA = Buffer.from(',');
const LINE_END = Buffer.from('\n');
/** A null, which is not quoted. With an empty one, a record of one null would be a blank line. */
const NULL_TEXT = '\\N';
/** How many bytes are gathered before they are passed on. */
const CHUNK_BYTES = 64 * 1024;
/** A quote takes two bytes, and each value has some around it. */
const MOST_PER_BYTE = 2;
const MOST_PER_VALUE = 4;

/** @param names the keys of all records, as source columns */
export function toTransform(
  entry: Entry,
  source: RecordSource,
  names: string[],
  settings: FormatSettings,
): Omit<ToTransform, 'spooled' | 'select'> {
  return {
    name: entry.name,
    bytes: writeCsv(source, names, settings),
    columns: columnsOf(names),
    maxRowBytes: MOST_PER_BYTE * settings.max_row_bytes + MOST_PER_VALUE * names.length,
    options: {
      delim: quoteText(','),
      quote: quoteText(QUOTE),
      escape: quoteText(QUOTE),
      header: 'false',
      nullstr: quoteText(NULL_TEXT),
      allow_quoted_nulls: 'false',
    },
  };
}

/** Returns a name for each key. DuckDB's names do not differ in upper and lower case alone, so a number tells such keys apart. */
function columnsOf(names: string[]): string[] {
  const taken = new Set<string>();
  return names.map((name) => {
    const key = isPath(name) ? String(stepsOf(name)[0]) : name;
    let unique = key === '' ? 'column' : key;
    for (let number = 2; taken.has(unique.toLowerCase()); number++) unique = `${key}_${number}`;
    taken.add(unique.toLowerCase());
    return unique;
  });
}

/** @throws ConnectorError the errors of `RecordFinder` and `problemOf`; `expanded_too_large` */
async function* writeCsv(
  source: RecordSource,
  names: string[],
  settings: FormatSettings,
): AsyncGenerator<Buffer> {
  const reader = new RecordReader(new KeyTree(names));
  const limits = limitsOf(settings);
  let written = 0;
  let parts: Buffer[] = [];
  let bytes = 0;
  const flush = () => {
    const chunk = Buffer.concat(parts);
    parts = [];
    written += bytes;
    bytes = 0;
    checkExpanded(written, limits);
    return chunk;
  };
  for await (const window of readWindows(source.chunks, reader, source)) {
    const { finder } = window;
    for (let found = finder.next(); found !== NEEDS_MORE; found = finder.next()) {
      const problem = problemOf(window, found, source.unit);
      if (problem) throw problem;
      for (let field = 0; field < names.length; field++) {
        const value = fieldText(reader, field);
        if (field > 0) parts.push(COMMA);
        parts.push(value);
        bytes += value.length + 1;
      }
      parts.push(LINE_END);
      if (bytes >= CHUNK_BYTES) yield flush();
    }
  }
  if (bytes > 0) yield flush();
}

function fieldText(reader: RecordReader, field: number): Buffer {
  const kind = reader.kinds[field];
  if (kind === ABSENT || kind === NULL) return Buffer.from(NULL_TEXT);
  const raw = reader.bytes.subarray(reader.starts[field], reader.ends[field]);
  const text = (kind === ESCAPED ? unescapeString(raw) : Buffer.from(raw)).toString();
  return Buffer.from(QUOTE + text.replaceAll(QUOTE, QUOTE + QUOTE) + QUOTE);
}
