/** A "value kind" names how text is encoded for one PostgreSQL type. */
import type { TableColumn } from '../../table/table.ts';
import { putFloat4, putFloat8 } from './floats.ts';
import { putInt2, putInt4, putInt8 } from './integers.ts';
import { putNumeric } from './numerics.ts';
import { putBoolean, putBytea, putJsonb, putText, putUuid } from './texts.ts';
import { putDate, putTime, putTimestamp, putUtcTimestamp, putZonedTimestamp } from './times.ts';
import type { PutValue } from './values.ts';

/**
 * The encoders, by the type's name without modifiers, which the type's receive function applies as its input function
 * does. A type that is not here goes to PostgreSQL as text. A new type is one new entry.
 */
const KINDS = {
  smallint: putInt2,
  integer: putInt4,
  bigint: putInt8,
  real: putFloat4,
  'double precision': putFloat8,
  numeric: putNumeric,
  boolean: putBoolean,
  text: putText,
  'character varying': putText,
  character: putText,
  json: putText,
  jsonb: putJsonb,
  enum: putText,
  uuid: putUuid,
  bytea: putBytea,
  date: putDate,
  'time without time zone': putTime,
  'timestamp without time zone': putTimestamp,
  'timestamp with time zone': putZonedTimestamp,
  'timestamp with time zone, UTC': putUtcTimestamp,
} satisfies Record<string, PutValue>;

/** A key of KINDS; unlike the function, it can be sent to a thread. */
export type ValueKind = keyof typeof KINDS;

/** PostgreSQL's names for UTC. */
const UTC = [
  'utc',
  'etc/utc',
  'gmt',
  'etc/gmt',
  'zulu',
  'uct',
  'etc/uct',
  'etc/zulu',
  'universal',
  'etc/universal',
];

/** Whether a time zone is UTC, by one of its names. */
export const isUtc = (timeZone: string): boolean => UTC.includes(timeZone.toLowerCase());

/** Returns the kind of a column; undefined if only PostgreSQL can parse its values. */
export function kindOf({ baseType, isEnum }: TableColumn, timeZone: string): ValueKind | undefined {
  if (isEnum) return 'enum';
  if (baseType === 'timestamp with time zone' && isUtc(timeZone)) {
    return 'timestamp with time zone, UTC';
  }
  return Object.hasOwn(KINDS, baseType) && baseType !== 'enum' ? (baseType as ValueKind) : undefined;
}

/** Returns the function that encodes values of a kind. */
export function putterOf(kind: ValueKind): PutValue {
  return KINDS[kind];
}
