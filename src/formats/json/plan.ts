/** The "plan" of a part: how its records become rows. */
import type { Shape } from '../../table/table.ts';
import type { BinaryFields } from '../constants.ts';
import type { ValueKind } from '../pg_binary/kinds.ts';

export interface JsonColumn {
  field: number;
  /** The column of the table. */
  name: string;
  shape: Shape | null;
  /** Whether a value that does not have the shape is given as it is: the column takes any text. */
  takesAny: boolean;
}

/** How records become rows. It can be sent to a thread. */
export interface JsonPlan {
  /** The source columns: keys, and paths. */
  names: string[];
  /** Keys that are no field, and not unknown either. */
  known: string[];
  /** Keys of columns that the plan does not fill, because the first records lack them and the columns have defaults. */
  late: string[];
  /** The table's columns if an unknown key fails the file; null: it is ignored. */
  has: string[] | null;
  /** Whether the table gets a column for an unknown key, so that the file is read again with all keys known. */
  grows: boolean;
  columns: JsonColumn[];
  /** Whether each row gets its place, before the constants. */
  hasLine: boolean;
  /** The constants as the end of a row of COPY's text format. */
  constantText: Uint8Array;
  /** How rows are encoded as binary; null: PostgreSQL must parse them. */
  binary: { kinds: ValueKind[]; constants: BinaryFields } | null;
  /** Whether the rows may be split over several COPY statements. */
  splittable: boolean;
  path: string[] | null;
  maxRowBytes: number;
  /** How a record is named in messages: by its line, or by its number. */
  unit: 'line' | 'row';
}
