/** "Inference": finds the narrowest PostgreSQL type for each key of the records. */
import type { ConnectorError } from '../../errors.ts';
import type { InferredColumn } from '../format.ts';
import { joinKinds, TEXT, textKindOf, typeOf, UNKNOWN } from '../pg_text/text_kinds.ts';
import { SampleEnd } from '../sample_end.ts';
import { NEEDS_MORE, RECORD } from './finder.ts';
import { problemOf } from './judge.ts';
import { ABSENT, ARRAY, ESCAPED, NULL, RecordReader, SCALAR, STRING } from './record.ts';
import { CLOSE_ARRAY, OPEN_ARRAY, OPEN_OBJECT, QUOTE, Scanner } from './scanner.ts';
import { KeyTree } from './tree.ts';
import { type RecordWindow, readWindows } from './windows.ts';

/** What all values of a column are. `text` is the kind of their text, as inference of CSV numbers it. */
export type JsonKind =
  | { is: 'nothing' | 'json' }
  | { is: 'boolean' }
  | { is: 'number' | 'string'; text: number }
  | { is: 'list'; items: JsonKind };

const NOTHING: JsonKind = { is: 'nothing' };
const JSON_VALUE: JsonKind = { is: 'json' };
const BOOLEAN: JsonKind = { is: 'boolean' };
const LETTER_N = 0x6e;
const MINUS = 0x2d;
const NINE = 0x39;

/** Types that a string is given. A number in a string stays text. */
const STRING_TYPES = ['date', 'timestamptz', 'uuid'];

/** Where and how the records of a part are read. */
export interface RecordSource {
  chunks: AsyncIterable<Buffer>;
  path: string[] | null;
  maxRowBytes: number;
  unit: 'line' | 'row';
}

/** What is known of the keys of a part. */
export interface Keys {
  /** The paths, then the keys in the order of their first appearance. */
  names: string[];
  records: number;
  /** Whether several records are on one line. */
  sharesLines: boolean;
  /** Whether all records were read. */
  isComplete: boolean;
}

/**
 * Returns the keys of the first records.
 * @param paths that read from a record
 * @param most how many bytes are read, about
 */
export async function readKeys(source: RecordSource, paths: string[], most: number): Promise<Keys> {
  const tree = new KeyTree(paths, true);
  const reader = new RecordReader(tree);
  let records = 0;
  let bytes = 0;
  let sharesLines = false;
  const keys = (isComplete: boolean) => ({ names: tree.names, records, sharesLines, isComplete });
  for await (const { finder } of upToSampleEnd(readWindows(source.chunks, reader, source))) {
    while (finder.next() !== NEEDS_MORE) records++;
    bytes += finder.at;
    sharesLines ||= finder.sharesLines;
    if (bytes >= most) return keys(false);
  }
  return keys(true);
}

/** Yields the windows that can be read from a file of which only the start was fetched. */
async function* upToSampleEnd(windows: AsyncIterable<RecordWindow>): AsyncGenerator<RecordWindow> {
  try {
    yield* windows;
  } catch (error) {
    if (!(error instanceof SampleEnd)) throw error;
  }
}

/**
 * Returns the columns of a part, in the order of `readKeys`. Ignores bad records.
 * @param most how many bytes are read, about
 * @param others keys that are columns in any case
 */
export async function inferColumns(
  source: RecordSource,
  paths: string[],
  most: number,
  others: string[] = [],
): Promise<InferredColumn[]> {
  // A key through which a path goes is no column of its own, and `$` goes through all of them.
  const tree = paths.includes('$')
    ? new KeyTree([...paths, ...others.filter((name) => !paths.includes(name))])
    : new KeyTree(paths, true);
  const reader = new RecordReader(tree);
  const kinds: JsonKind[] = [];
  const counts: number[] = [];
  let records = 0;
  let bytes = 0;
  for await (const window of upToSampleEnd(readWindows(source.chunks, reader, source))) {
    const { finder } = window;
    for (let found = finder.next(); found !== NEEDS_MORE; found = finder.next()) {
      if (found !== RECORD || problemOf(window, found, source.unit)) continue;
      records++;
      for (let field = 0; field < tree.names.length; field++) {
        const kind = reader.kinds[field];
        if (kind === ABSENT || kind === NULL) continue;
        counts[field] = (counts[field] ?? 0) + 1;
        kinds[field] = joinValue(kinds[field] ?? NOTHING, reader, field);
      }
    }
    bytes += finder.at;
    if (bytes >= most) break;
  }
  return tree.names.map((name, field) => ({
    name,
    type: postgresType(kinds[field] ?? NOTHING),
    nullable: counts[field] !== records,
    isUnknown: kinds[field] === undefined,
    decisions: [],
  }));
}

/**
 * Refuses a part whose records are all bad: it would make a table without columns.
 * @throws ConnectorError the error of the first record
 */
export async function refuseWithoutRecord(source: RecordSource): Promise<void> {
  const reader = new RecordReader(new KeyTree([]));
  let first: ConnectorError | null = null;
  for await (const window of upToSampleEnd(readWindows(source.chunks, reader, source))) {
    const { finder } = window;
    for (let found = finder.next(); found !== NEEDS_MORE; found = finder.next()) {
      const problem = problemOf(window, found, source.unit);
      if (problem === null) return;
      first ??= problem;
    }
  }
  if (first) throw first;
}

function joinValue(known: JsonKind, reader: RecordReader, field: number): JsonKind {
  if (known.is === 'json') return known;
  const start = reader.starts[field]!;
  const end = reader.ends[field]!;
  const hint = 'text' in known ? known.text : UNKNOWN;
  switch (reader.kinds[field]) {
    case SCALAR:
      return joinJsonKinds(known, scalarKind(reader.bytes, start, end, hint));
    case STRING:
      return joinJsonKinds(known, stringKind(reader.bytes, start, end, hint));
    case ESCAPED:
      return joinJsonKinds(known, { is: 'string', text: TEXT });
    case ARRAY:
      return joinJsonKinds(known, listKind(reader.bytes.subarray(start, end)));
    default:
      return JSON_VALUE;
  }
}

function scalarKind(bytes: Uint8Array, start: number, end: number, hint: number): JsonKind {
  const first = bytes[start]!;
  if (first !== MINUS && first > NINE) return BOOLEAN;
  return { is: 'number', text: textKindOf(bytes, start, end, hint) };
}

function stringKind(bytes: Uint8Array, start: number, end: number, hint: number): JsonKind {
  const text = textKindOf(bytes, start, end, hint);
  return { is: 'string', text: STRING_TYPES.includes(typeOf(text)) ? text : TEXT };
}

/** A list of scalars is an array; of lists and objects, a JSON value. */
function listKind(json: Uint8Array): JsonKind {
  const scanner = new Scanner();
  scanner.bytes = json;
  scanner.isLast = true;
  let items: JsonKind = NOTHING;
  let at = scanner.space(1);
  while (json[at] !== CLOSE_ARRAY) {
    const first = json[at]!;
    if (first === OPEN_ARRAY || first === OPEN_OBJECT) return JSON_VALUE;
    const end = scanner.value(at);
    const hint = 'text' in items ? items.text : UNKNOWN;
    if (first === QUOTE) items = joinJsonKinds(items, stringKind(json, at + 1, end - 1, hint));
    else if (first !== LETTER_N) items = joinJsonKinds(items, scalarKind(json, at, end, hint));
    at = scanner.space(end);
    if (json[at] !== CLOSE_ARRAY) at = scanner.space(at + 1);
  }
  return { is: 'list', items };
}

/** Returns what the values of both kinds are together. Values of different sorts are JSON values. */
export function joinJsonKinds(a: JsonKind, b: JsonKind): JsonKind {
  if (a.is === 'nothing') return b;
  if (b.is === 'nothing') return a;
  if (a.is === 'boolean' && b.is === 'boolean') return BOOLEAN;
  if (a.is === 'list' && b.is === 'list') return { is: 'list', items: joinJsonKinds(a.items, b.items) };
  if ('text' in a && 'text' in b && a.is === b.is)
    return a.text === b.text ? a : { is: a.is, text: joinKinds(a.text, b.text) };
  return JSON_VALUE;
}

function postgresType(kind: JsonKind): string {
  switch (kind.is) {
    case 'nothing':
      return 'text';
    case 'boolean':
      return 'boolean';
    case 'number':
      // Numbers that no double and no bigint holds.
      return kind.text === TEXT ? 'numeric' : typeOf(kind.text);
    case 'string':
      return typeOf(kind.text);
    case 'list':
      return ['nothing', 'json', 'list'].includes(kind.items.is) ? 'jsonb' : `${postgresType(kind.items)}[]`;
    default:
      return 'jsonb';
  }
}
