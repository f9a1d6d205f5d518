/** Merges the columns of the files of a sample into the columns of a new table. */
import type { FileColumn, InferredColumn } from '../formats/format.ts';
import { type Decision, losesDigits, whyWider } from '../formats/pg_text/column_kinds.ts';
import { joinKinds, TEXT, typeOf, UNKNOWN } from '../formats/pg_text/text_kinds.ts';
import { joinJsonTypes, joinTypes } from './type_lattice.ts';

/** The columns of a file, or of an entry of an archive. */
export interface SampledPart {
  /** The file's key, and the entry's name, for messages. */
  place: string;
  /** Null: the file has no names. */
  names: string[] | null;
  columns: InferredColumn[];
}

/** A column with what decided its type, for people. */
export interface MergedColumn extends FileColumn {
  decidedBy: string;
  /** Whether it is text because files differ, and not because a number would lose digits. */
  differs: boolean;
  /** The first value that is none of the type, in a file that will fail: a value may just be wrong. Null: all fit. */
  misfit: string | null;
}

/** How the columns of files are matched. */
export interface MergeRules {
  byName: boolean;
  /** Whether the names are keys of JSON, which match in exactly their spelling, and whose values may be of any sort. */
  byKey?: boolean;
  /** Source columns of column_mappings, which count in exactly their spelling, with the table's columns; null: left out. */
  mapped: Map<string, string | null>;
  /** Columns of the table that no column of a file fills. */
  others: string[];
}

/** How many columns a table of PostgreSQL may have. */
const MAX_COLUMNS = 1600;

interface Column extends InferredColumn {
  decidedBy: string;
  differs: boolean;
  /** How many parts have values that fit its type, and for each other part a value that does not. */
  fits: number;
  misfits: string[];
  /** Where its type was first found. */
  place: string;
}

/**
 * Returns the union of the columns, those of the first part first, each with the narrowest type that keeps the values of all parts.
 * A column that a part lacks has nulls. Values that are none of the type, as a word is no number, do not count, unless most parts have
 * such: one broken file must not change the table.
 */
export function mergeColumns([first, ...others]: SampledPart[], rules: MergeRules): MergedColumn[] {
  const merged = first!.columns.map((column) => found(column, first!.place));
  for (const part of others) {
    const matched = matchPart(merged, part, rules);
    for (const [i, column] of merged.entries()) {
      const other = matched.get(i);
      merged[i] = other ? join(column, other, part.place, rules) : { ...column, nullable: true };
    }
    merged.push(...newColumns(merged, part, matched, rules));
  }
  return merged.map(byMajority);
}

function byMajority({ name, type, nullable, decidedBy, differs, fits, misfits }: Column): MergedColumn {
  const [misfit = null] = misfits;
  return misfit !== null && misfits.length > fits
    ? { name, type: typeOf(TEXT), nullable, decidedBy: misfit, differs: true, misfit: null }
    : { name, type, nullable, decidedBy, differs, misfit };
}

/** Returns whether a part has at least one of the columns. */
export function sharesColumns(columns: SampledPart, part: SampledPart, rules: MergeRules): boolean {
  if (!rules.byName) return true;
  const merged = columns.columns.map((column) => found(column, columns.place));
  return matchPart(merged, part, rules).size > 0;
}

/** Returns the part's columns by the index of the merged column that each belongs to. */
function matchPart(
  merged: Column[],
  part: SampledPart,
  { byName, byKey = false, mapped }: MergeRules,
): Map<number, InferredColumn> {
  if (!byName) return new Map(part.columns.slice(0, merged.length).entries());
  const names = new Set(part.columns.map(({ name }) => name));
  const matched = new Map<number, InferredColumn>();
  for (const column of part.columns) {
    const exact = merged.findIndex(({ name }) => name === column.name);
    const alike = merged.flatMap(({ name }, i) => (isAlike(name, column.name) ? [i] : []));
    const only = alike.length === 1 ? alike[0]! : -1;
    const isFree = only >= 0 && !matched.has(only) && !names.has(merged[only]!.name);
    const isMapped = only >= 0 && [column.name, merged[only]!.name].some((name) => mapped.has(name));
    if (exact >= 0) matched.set(exact, column);
    else if (isFree && !isMapped && !byKey) matched.set(only, column);
  }
  return matched;
}

/** As a file's column finds that of its table. */
const isAlike = (a: string, b: string) => a.toLowerCase() === b.toLowerCase();

/**
 * Returns the part's columns that are not matched. A file without names has none: COPY refuses rows that are shorter than the table.
 * Nor does a column count that would go into a column of the table that is filled otherwise, nor any of a part with too many: the
 * import of that file says so.
 */
function newColumns(
  merged: Column[],
  part: SampledPart,
  matched: Map<number, InferredColumn>,
  { byName, mapped, others }: MergeRules,
): Column[] {
  if (part.names === null) return [];
  const old = new Set(matched.values());
  const targetOf = (name: string) => (mapped.has(name) ? (mapped.get(name) ?? null) : name);
  const filled = new Set(byName ? [...merged.map(({ name }) => targetOf(name)), ...others] : []);
  const added: InferredColumn[] = [];
  for (const column of part.columns) {
    const target = targetOf(column.name);
    if (old.has(column) || (target !== null && filled.has(target))) continue;
    added.push(column);
    if (byName) filled.add(target);
  }
  if (merged.length + added.length + others.length > MAX_COLUMNS) return [];
  const taken = new Set(merged.map(({ name }) => name));
  return added.map((column) => {
    const name = byName ? column.name : freeName(column.name, taken);
    taken.add(name);
    return { ...found(column, part.place), name, nullable: true };
  });
}

function freeName(name: string, taken: Set<string>): string {
  let free = name;
  for (let number = 2; taken.has(free); number++) free = `${name}_${number}`;
  return free;
}

function found(column: InferredColumn, place: string): Column {
  return { ...column, place, decidedBy: decidedBy(column, place), differs: false, fits: 1, misfits: [] };
}

function decidedBy({ kind, type, decisions, isUnknown }: InferredColumn, place: string): string {
  if (isUnknown) return 'no value in any file';
  if (kind === undefined) return `${type} in ${place}`;
  const decided = decisions.at(-1);
  if (decided === undefined) return 'infer_types is text';
  const { line, value, narrower } = decided;
  const why = narrower === UNKNOWN ? `"${value}"` : whyWider(value, narrower, kind);
  return `line ${line} of ${place}: ${why}`;
}

function join(column: Column, other: InferredColumn, place: string, { byKey }: MergeRules): Column {
  const nullable = column.nullable || other.nullable;
  if (other.isUnknown) return { ...column, nullable };
  if (column.isUnknown) return { ...found(other, place), name: column.name, nullable };
  if (column.kind === undefined || other.kind === undefined) {
    const type = (byKey ? joinJsonTypes : joinTypes)(column.type, other.type);
    if (type === joinTypes(column.type, column.type)) return { ...column, nullable };
    const reason = `${other.type} in ${place}, ${column.type} in ${column.place}`;
    return { ...column, type, nullable, decidedBy: reason, differs: type === 'text' };
  }
  const kind = joinKinds(column.kind, other.kind);
  const fits = column.fits + 1;
  if (kind === column.kind) return { ...column, nullable, fits };
  const decided = decisionOf(other.decisions, column.kind, kind);
  const why = `line ${decided.line} of ${place}: ${whyWider(decided.value, column.kind, kind)}`;
  if (kind === TEXT && !losesDigits(decided.value, column.kind))
    return { ...column, nullable, misfits: [...column.misfits, why] };
  return { ...column, kind, type: typeOf(kind), nullable, fits, decidedBy: why };
}

/** Returns the first value of a file because of which a column of the narrower kind had to get the wider one. */
function decisionOf(decisions: Decision[], narrower: number, wider: number): Decision {
  return decisions.find(({ kind }) => joinKinds(narrower, kind) === wider) ?? decisions.at(-1)!;
}

/** Returns the columns of a header without rows, which has no types. */
export function columnsOfNames(names: string[]): InferredColumn[] {
  return names.map((name) => ({ name, type: typeOf(TEXT), nullable: true, isUnknown: true, decisions: [] }));
}
