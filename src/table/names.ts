/** Column names as PostgreSQL stores them: cut to 63 bytes. A file may have longer ones. */
import { findColumn, type TableColumn } from './table.ts';

/** NAMEDATALEN - 1. */
const MAX_NAME_BYTES = 63;

/** Returns the name as PostgreSQL truncates it, at the end of a character (truncate_identifier in scansup.c). */
export function truncateName(name: string, maxBytes = MAX_NAME_BYTES): string {
  if (!isLong(name, maxBytes)) return name;
  const bytes = Buffer.from(name);
  let end = maxBytes;
  // A byte 10xxxxxx continues a character.
  while ((bytes[end]! & 0xc0) === 0x80) end--;
  return bytes.toString('utf8', 0, end);
}

/**
 * Returns the names of the columns that are created for a file's names. Long names that are alike after truncation get
 * numbers, in the file's order: `..._2`.
 */
export function shortenNames(names: string[]): string[] {
  const taken = new Set(names.filter((name) => !isLong(name)));
  return names.map((name) => {
    if (!isLong(name)) return name;
    let short = truncateName(name);
    for (let number = 2; taken.has(short); number++) {
      const suffix = `_${number}`;
      short = truncateName(name, MAX_NAME_BYTES - suffix.length) + suffix;
    }
    taken.add(short);
    return short;
  });
}

/**
 * Returns the names of columns that are added to a table for a file's names. One whose short form the table has for another name, or
 * that is like another new one after truncation, gets a number.
 */
export function newNames(names: string[], existing: string[]): string[] {
  return shortenNames([...existing, ...names]).slice(existing.length);
}

/**
 * Returns the column for a name of a file, or of its key. A long name is the comment of the column that was created for it;
 * otherwise its short form counts.
 * @param short as `shortenNames` returns it
 */
export function findNamed(
  columns: TableColumn[],
  name: string,
  short = truncateName(name),
): TableColumn | undefined {
  if (!isLong(name)) return findColumn(columns, name);
  const commented = columns.find(({ comment }) => comment === name);
  if (commented) return commented;
  const found = findColumn(columns, short);
  return found && isOfAnotherName(found, name) ? undefined : found;
}

/** Returns the long name of a file for which the column was created: its comment. Null: the column has no such name. */
export function longNameOf({ name, comment }: TableColumn): string | null {
  if (comment === null || !isLong(comment)) return null;
  const [suffix] = /(?:_\d+)?$/.exec(name)!;
  return [truncateName(comment), truncateName(comment, MAX_NAME_BYTES - suffix.length) + suffix].includes(
    name,
  )
    ? comment
    : null;
}

/** Whether the column was created for another name with the same short form. */
function isOfAnotherName({ comment }: TableColumn, name: string): boolean {
  return comment !== null && isLong(comment) && truncateName(comment) === truncateName(name);
}

function isLong(name: string, maxBytes = MAX_NAME_BYTES): boolean {
  return Buffer.byteLength(name) > maxBytes;
}
