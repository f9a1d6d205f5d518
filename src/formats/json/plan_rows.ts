/** Plans how the fields of a record become a row. */
import { toBinaryFields } from '../constants.ts';
import type { CopyPlan } from '../format.ts';
import { isEncodable, withLineField } from '../line_field.ts';
import { kindOf } from '../pg_binary/kinds.ts';
import { copyText } from './copy_text.ts';
import type { JsonPlan } from './plan.ts';

export interface PlanSettings {
  timeZone: string;
  encodes: boolean;
  grows: boolean;
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
    grows: settings.grows,
    columns: plan.columns.map(({ position, target, readAs }) => ({
      field: position,
      name: target.name,
      shape: (readAs ?? target).shape,
      takesAny: readAs !== undefined,
    })),
    hasLine: plan.line !== null,
    constantText: Buffer.from(plan.constants.map(({ value }) => `\t${copyText(value)}`).join('')),
    binary: settings.encodes && plan.splittable ? planBinary(plan, settings.timeZone) : null,
    splittable: plan.splittable,
    path: settings.path,
    maxRowBytes: settings.maxRowBytes,
    unit: settings.unit,
  };
}

function planBinary({ columns, line, constants }: CopyPlan, timeZone: string): JsonPlan['binary'] {
  const kinds = columns.map(({ target }) => kindOf(target, timeZone));
  const fields = toBinaryFields(constants, timeZone);
  if (fields === null || !isEncodable(line) || !kinds.every((kind) => kind !== undefined)) return null;
  return { kinds, constants: line ? withLineField(fields) : fields };
}
