/** "Widening": the types that columns get so that they hold the values of a file, too. */
import type { FileColumn, MatchedColumn } from '../formats/format.ts';
import type { TableColumn } from './table.ts';
import { withoutModifier } from './type_lattice.ts';

const INTEGERS = ['smallint', 'integer', 'bigint'];
const TIMES = ['timestamp', 'timestamptz', 'timestamp without time zone', 'timestamp with time zone'];

/** A column of the table, and its wider type. */
export interface Widening {
  column: TableColumn;
  /** The column of the file. */
  source: string;
  type: string;
  /** Whether PostgreSQL writes the whole table again. */
  rewrites: boolean;
}

/**
 * Returns whether a column may lose a part of a value without an error: then the file's types must be known before its rows are
 * copied. A time of day for a date is lost in all formats. Digits that a real has not are rounded, as COPY does; but a file that says
 * that it has doubles means them.
 */
export function mayLose({ target }: MatchedColumn, typesAreKnown: boolean): boolean {
  return isPlain(target) && (target.baseType === 'date' || (typesAreKnown && target.baseType === 'real'));
}

/**
 * Returns the columns that need a wider type: those that would lose a part of a value, and those of which a value was refused.
 * @param refused the names of the latter, in the table
 */
export function findWidenings(
  matched: MatchedColumn[],
  columns: FileColumn[],
  { refused, typesAreKnown }: { refused: Set<string>; typesAreKnown: boolean },
): Widening[] {
  return matched.flatMap((one): Widening[] => {
    const { target, position } = one;
    // A file without a header may have fewer fields than the table has columns.
    if (columns[position] === undefined) return [];
    const { name: source, type: needed } = columns[position];
    if (!isPlain(target) || !(refused.has(target.name) || mayLose(one, typesAreKnown))) return [];
    const type = widerType(target, withoutModifier(needed));
    if (type === null) return [];
    return [{ column: target, source, type, rewrites: !/^(numeric|character varying)\(/.test(target.type) }];
  });
}

/** Returns the type that holds the values of both; null: the column's own does, or none of the wider types. */
function widerType({ type, baseType }: TableColumn, needed: string): string | null {
  const rank = INTEGERS.indexOf(baseType);
  if (rank >= 0) {
    if (INTEGERS.indexOf(needed) > rank) return needed;
    return ['numeric', 'double precision', 'real'].includes(needed) ? 'numeric' : null;
  }
  if (baseType === 'real')
    return ['double precision', 'numeric'].includes(needed) ? 'double precision' : null;
  if (baseType === 'date') return TIMES.includes(needed) ? 'timestamptz' : null;
  if (baseType === 'numeric' && type !== 'numeric')
    return [...INTEGERS, 'numeric', 'double precision'].includes(needed) ? 'numeric' : null;
  // Any value of a file is a text.
  return baseType === 'character varying' && type !== 'character varying' ? 'character varying' : null;
}

/** Whether the column has the type itself, and not a domain over it. */
function isPlain({ type, baseType }: TableColumn): boolean {
  return withoutModifier(type) === baseType;
}
