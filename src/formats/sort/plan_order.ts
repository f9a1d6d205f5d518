/** Plans how rows of COPY's binary format are sorted as PostgreSQL would sort them. */
import type { CopyPlan, SortKey } from '../format.ts';
import type { ValueKind } from '../pg_binary/kinds.ts';
import type { OrderField, RowOrder, TimeUnit } from './row_order.ts';

/** Kinds of fixed length, which PostgreSQL orders by these bytes. */
const FIXED: Partial<Record<ValueKind, Pick<OrderField, 'form' | 'words'>>> = {
  smallint: { form: 'signed', words: 1 },
  integer: { form: 'signed', words: 1 },
  bigint: { form: 'signed', words: 2 },
  date: { form: 'signed', words: 1 },
  'time without time zone': { form: 'signed', words: 2 },
  'timestamp without time zone': { form: 'signed', words: 2 },
  'timestamp with time zone': { form: 'signed', words: 2 },
  'timestamp with time zone, UTC': { form: 'signed', words: 2 },
  real: { form: 'float', words: 1 },
  'double precision': { form: 'float', words: 2 },
  boolean: { form: 'unsigned', words: 1 },
  uuid: { form: 'unsigned', words: 4 },
};

/** Further kinds whose values are equal if, and only if, their bytes are. Texts need `SortKey.byBytes` as well. */
const EQUAL_BY_BYTES: ValueKind[] = ['text', 'character varying', 'enum', 'bytea'];

const TIME_UNITS: Partial<Record<ValueKind, TimeUnit>> = {
  smallint: 'int2',
  integer: 'int4',
  bigint: 'int8',
  date: 'days',
  'timestamp without time zone': 'microseconds',
  'timestamp with time zone': 'microseconds',
  'timestamp with time zone, UTC': 'microseconds',
};

/**
 * Returns how the rows are sorted by columns of the table; null if PostgreSQL may sort them differently, or the file lacks a column.
 * @param plan its columns are the first fields of the rows
 * @param kinds of these fields; undefined for one that cannot be compared
 */
export function planOrder(
  plan: Pick<CopyPlan, 'columns' | 'constants'>,
  kinds: (ValueKind | undefined)[],
  keys: SortKey[],
  timeColumn: string,
  limits: Pick<RowOrder, 'runBytes' | 'firstRunBytes'>,
): RowOrder | null {
  // A constant does not change the order.
  const varying = keys.filter(({ column }) => !plan.constants.some(({ target }) => target.name === column));
  const fields = varying.map((key) => {
    const field = plan.columns.findIndex(({ target }) => target.name === key.column);
    const target = plan.columns[field]?.target;
    // A type modifier may change a value during COPY, and a domain may have one.
    return target && target.type === target.baseType && key.byBytes ? field : -1;
  });
  const orderBy: OrderField[] = [];
  const segmentBy: number[] = [];
  for (const [i, key] of varying.entries()) {
    const field = fields[i]!;
    const kind = kinds[field];
    const fixed = kind && FIXED[kind];
    if (kind === undefined) return null;
    if (key.segment && isEqualByBytes(kind)) segmentBy.push(field);
    else if (!key.segment && fixed !== undefined)
      orderBy.push({ field, ...fixed, descending: key.descending, nullsFirst: key.nullsFirst });
    else return null;
  }
  const time = plan.columns.findIndex(({ target }) => target.name === timeColumn);
  const { type, baseType } = plan.columns[time]?.target ?? {};
  const timeKind = kinds[time];
  const unit = timeKind && TIME_UNITS[timeKind];
  if (unit === undefined || type !== baseType) return null;
  return {
    segmentBy,
    orderBy,
    time: { field: time, unit },
    timeFirst: orderBy[0]?.field === time,
    ...limits,
  };
}

function isEqualByBytes(kind: ValueKind): boolean {
  // Floats have two zeros.
  return EQUAL_BY_BYTES.includes(kind) || (FIXED[kind] !== undefined && FIXED[kind].form !== 'float');
}
