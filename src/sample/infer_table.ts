/**
 * Infers the columns of a new table: those of its first file, which is read wholly, and of a sample of the other files. So what
 * later files hold is not lost in types that only fit the first one.
 */
import type { ColumnMapping, ReadConnector } from '../db/schema.ts';
import { describeError } from '../errors.ts';
import type { SpooledFile } from '../fetch/spooled_file.ts';
import type { FilePart } from '../formats/format.ts';
import { FORMATS } from '../formats/registry.ts';
import { log } from '../log.ts';
import type { SourceObject } from '../sources/source.ts';
import { lineageColumns } from '../table/lineage.ts';
import {
  columnsOfNames,
  type MergedColumn,
  type MergeRules,
  mergeColumns,
  type SampledPart,
  sharesColumns,
} from '../table/merge_columns.ts';
import type { WorkerContext } from '../task.ts';
import { fetchSampled } from './sampled_file.ts';
import { listSpread, SAMPLE_FILES, spreadOver } from './spread.ts';

/** Bytes that are fetched of all sampled files together, and of one at least. The first file is no part of it. */
const SAMPLE_BYTES = 20 << 20;
const LEAST_BYTES = 1 << 20;
/** How much of a file is read, in times of the bytes that are fetched: a compressed file has more. */
const EXPANSION = 4;
const AT_ONCE = 4;
/** How much of an error is kept, in characters. */
const SHOWN = 200;

/** The first file, and what it needs to be read. */
export interface FirstFile {
  connector: ReadConnector;
  mappings: ColumnMapping[];
  key: string;
  file: SpooledFile;
  /** Begins the names of the sample's files in the spool. */
  spoolName: string;
  signal: AbortSignal;
}

/** The columns of a new table, and the files that decided them. */
export interface InferredTable {
  columns: MergedColumn[];
  /** Files that were read, with the first one. */
  sampled: number;
  /** Files that match; null if only some were listed. */
  listed: number | null;
  /** Files of the sample that could not be read, with the reasons. */
  leftOut: LeftOut[];
}

interface LeftOut {
  key: string;
  reason: string;
}

/**
 * Returns the columns of the table that a part would make. Null if nothing is known about their types, because neither the part nor
 * a file of the sample has rows.
 */
export async function inferTable(
  worker: WorkerContext,
  first: FirstFile,
  part: FilePart,
): Promise<InferredTable | null> {
  const { connector, key } = first;
  const start = await describePart(key, part);
  const rules = rulesOf(first, part);
  const entries = await otherEntries(worker, first, part);
  // An import refuses a stranger, and so its whole archive.
  const related = entries.filter((entry) => sharesColumns(start, entry, rules));
  const keys = await listSpread(worker.sources.open(connector), connector, first.signal);
  // A transform reads whole files.
  const maxFileBytes = connector.transform === null ? connector.max_file_bytes : LEAST_BYTES;
  const objects = spreadOver(keys, key, { count: SAMPLE_FILES - 1, maxFileBytes });
  const files = await readSample(worker, first, objects, (parts) => refuseStrangers(start, parts, rules));
  const parts = [start, ...related, ...files.flatMap((file) => ('parts' in file ? file.parts : []))];
  if (!parts.some(({ hasTypes }) => hasTypes)) return null;
  const leftOut = files.filter((file): file is LeftOut => 'reason' in file);
  log.info('types sampled', { connector: connector.name, key, files: objects.length + 1, leftOut });
  return {
    columns: mergeColumns(parts, rules),
    sampled: files.length - leftOut.length + 1,
    listed: keys.complete ? keys.objects.filter(({ sizeBytes }) => sizeBytes > 0).length : null,
    leftOut,
  };
}

function rulesOf({ connector, mappings }: FirstFile, { columnNames, namesKeys }: FilePart): MergeRules {
  const { hive_columns, rescue_column, match_columns_by } = connector;
  const lineage = lineageColumns(connector).map(({ name }) => name);
  const isOfFile = ({ source_column: source }: ColumnMapping) =>
    source !== null && !hive_columns?.includes(source);
  const others = mappings.filter((mapping) => !isOfFile(mapping)).map(({ target_column }) => target_column);
  const ofFile = mappings.filter(isOfFile);
  return {
    byName: columnNames !== null && match_columns_by === 'name',
    byKey: namesKeys === true,
    mapped: new Map(ofFile.map(({ source_column, target_column }) => [source_column!, target_column])),
    others: [...others, ...lineage, rescue_column].filter((name) => name !== null),
  };
}

/**
 * Returns a notice about files that were left out, columns that became text because files differ, and values that may be wrong; null
 * if there are none.
 */
export function noticeOfSample({ columns, sampled, leftOut }: InferredTable): string | null {
  const texts = columns.flatMap(({ name, decidedBy, differs }) =>
    differs ? [`${name} (${decidedBy})`] : [],
  );
  const misfits = columns.flatMap(({ name, type, misfit }) =>
    misfit === null ? [] : [`${name} ${type} (${misfit})`],
  );
  const notices = [
    leftOut.length === 0
      ? null
      : `the table's types come from ${sampled} of ${sampled + leftOut.length} files, because these could not be read: ${some(leftOut.map(({ key, reason }) => `${key} (${reason})`))}`,
    texts.length === 0
      ? null
      : `the table has columns that are text because files differ: ${some(texts)}; for another type, drop the table, add rows to column_mappings, and import the files again`,
    misfits.length === 0
      ? null
      : `files of the sample have values that do not fit the types of most files: ${some(misfits)}; correct them, or give the columns the type text in column_mappings`,
  ];
  return notices.filter(Boolean).join('; ') || null;
}

/** Returns the first items as a list, with the number of the others. */
function some(items: string[]): string {
  const more = items.length > 3 ? ` and ${items.length - 3} others` : '';
  return items.slice(0, 3).join(', ') + more;
}

/** Returns the other entries of an archive, as far as they can be read: an error is reported when they are imported. */
async function otherEntries(
  worker: WorkerContext,
  { connector, key, file, signal }: FirstFile,
  part: FilePart,
): Promise<DescribedPart[]> {
  // A transformed part is a file of its own in the spool, which another look at the archive would replace.
  if (part.name === null || connector.transform !== null) return [];
  const found: DescribedPart[] = [];
  try {
    for await (const other of partsOf(worker, connector, file, signal))
      if (other.name !== part.name) found.push(await describePart(key, other, LEAST_BYTES));
  } catch (error) {
    signal.throwIfAborted();
    log.info('entries not sampled', { key, error: describeError(error) });
  }
  return found;
}

type Read = { parts: DescribedPart[] } | LeftOut;

/** Reads the files of a sample, some at a time. Returns them in the given order. */
async function readSample(
  worker: WorkerContext,
  first: FirstFile,
  objects: SourceObject[],
  check: (parts: SampledPart[]) => void,
): Promise<Read[]> {
  const bytes = Math.max(LEAST_BYTES, Math.floor(SAMPLE_BYTES / Math.max(objects.length, 1)));
  const read: Read[] = [];
  const waiting = [...objects.entries()];
  const work = async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const [i, object] = next;
      read[i] = await readFile(worker, first, object, { name: `${first.spoolName}.${i}`, bytes, check });
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return read;
}

async function readFile(
  worker: WorkerContext,
  { connector, signal }: FirstFile,
  object: SourceObject,
  { name, bytes, check }: { name: string; bytes: number; check: (parts: SampledPart[]) => void },
): Promise<Read> {
  const { key } = object;
  try {
    const fetched = await fetchSampled(worker, connector, object, { name, signal, bytes });
    try {
      const parts: DescribedPart[] = [];
      for await (const part of partsOf(worker, connector, fetched.file, signal)) {
        await part.refuseImplausible?.();
        parts.push(await describePart(key, part, bytes * EXPANSION));
      }
      check(parts);
      return { parts };
    } finally {
      await fetched.remove();
    }
  } catch (error) {
    signal.throwIfAborted();
    return { key, reason: shorten(error instanceof Error ? error.message : String(error)) };
  }
}

const shorten = (text: string) => (text.length <= SHOWN ? text : `${text.slice(0, SHOWN).toWellFormed()}...`);

/** A README beside the files must not give its columns to their table. */
function refuseStrangers(first: SampledPart, parts: SampledPart[], rules: MergeRules): void {
  if (parts.every((part) => sharesColumns(first, part, rules))) return;
  throw new Error(`it has none of the columns of ${first.place}`);
}

function partsOf(
  worker: WorkerContext,
  connector: ReadConnector,
  file: SpooledFile,
  signal: AbortSignal,
): AsyncIterable<FilePart> {
  return FORMATS[connector.format.kind].parts(file, connector, worker, signal);
}

/** A part with whether it has rows, or types without rows. */
type DescribedPart = SampledPart & { hasTypes: boolean };

/** @param maxBytes how much of the part to read at most */
export async function describePart(key: string, part: FilePart, maxBytes?: number): Promise<DescribedPart> {
  const inferred = await part.inferColumns(maxBytes);
  const columns = inferred ?? columnsOfNames(part.columnNames ?? []);
  return { place: placeOf(key, part), names: part.columnNames, columns, hasTypes: inferred !== null };
}

function placeOf(key: string, { name }: FilePart): string {
  return name === null ? key : `${key}, ${name}`;
}
