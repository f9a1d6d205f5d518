/** How rows of COPY's binary format are sorted, for tables with a columnstore. */

/** How the bytes of a value are compared. */
export type Form = 'signed' | 'unsigned' | 'float';

/** A field of the rows, by its position in them. */
export interface OrderField {
  field: number;
  form: Form;
  /** The length of a value, in words of 32 bits. */
  words: number;
  descending: boolean;
  nullsFirst: boolean;
}

/** The unit of a time column: of its values in COPY's binary format, which count from 2000, or integers of any meaning. */
export type TimeUnit = 'microseconds' | 'days' | 'int2' | 'int4' | 'int8';

/** How rows are sorted as PostgreSQL would sort them. It can be sent to a thread. */
export interface RowOrder {
  /** Rows are gathered by these fields. Equal values of theirs have equal bytes, and different values have not. */
  segmentBy: number[];
  orderBy: OrderField[];
  /** The table's time column. */
  time: { field: number; unit: TimeUnit };
  /** Whether the order begins with the time column. */
  timeFirst: boolean;
  /** How much memory the rows of a run may take, in bytes. */
  runBytes: number;
  /** The same for the first run: the server is idle until it is complete. */
  firstRunBytes: number;
}

/** The first run of rows has this part of the memory of the longest ones. */
const FIRST_RUN_PART = 8;

/** Returns the memory of runs. More than one run begin with a short one. */
export function runLimits(runBytes: number, sizeBytes: number): Pick<RowOrder, 'runBytes' | 'firstRunBytes'> {
  return { runBytes, firstRunBytes: sizeBytes <= runBytes ? runBytes : runBytes / FIRST_RUN_PART };
}
