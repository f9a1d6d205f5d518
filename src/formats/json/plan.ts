/** Plans how the fields of a record become a row. */
import type { Shape } from '../../table/table.ts';
import { type BinaryFields, toBinaryFields } from '../constants.ts';
import type { CopyPlan } from '../format.ts';
import { kindOf, type ValueKind } from '../pg_binary/kinds.ts';
import { copyText } from './copy_text.ts';

export interface JsonColumn {
  field: number;
  /** The column of the table. */
  name: string;
  shape: Shape | null;
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
  columns: JsonColumn[];
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

export interface PlanSettings {
  timeZone: string;
  encodes: boolean;
  path: string[] | null;
  maxRowBytes: number;
  unit: 'line' | 'row';
}

export function planRows(plan: CopyPlan, settings: PlanSettings): JsonPlan {
  const keys = plan.keys!;
  return {
    names: keys.names,
    known: keys.known,
    late: keys.late,
    has: keys.refusesUnknown ? keys.has : null,
    columns: plan.columns.map(({ position, target }) => ({
      field: position,
      name: target.name,
      shape: target.shape,
    })),
    constantText: Buffer.from(plan.constants.map(({ value }) => `\t${copyText(value)}`).join('')),
    binary: settings.encodes && plan.splittable ? planBinary(plan, settings.timeZone) : null,
    splittable: plan.splittable,
    path: settings.path,
    maxRowBytes: settings.maxRowBytes,
    unit: settings.unit,
  };
}

function planBinary({ columns, constants }: CopyPlan, timeZone: string): JsonPlan['binary'] {
  const kinds = columns.map(({ target }) => kindOf(target, timeZone));
  const fields = toBinaryFields(constants, timeZone);
  return fields !== null && kinds.every((kind) => kind !== undefined) ? { kinds, constants: fields } : null;
}
