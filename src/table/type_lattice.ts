/**
 * The "lattice" of types: the narrowest type that keeps the values of two others. For columns whose files differ in type, and for
 * a column of a table that a file's values do not fit. Text keeps everything.
 */

/** In order of preference. Each type, and the types that keep all its values. */
const WIDER: Record<string, string[]> = {
  smallint: ['integer', 'bigint', 'real', 'double precision', 'numeric'],
  integer: ['bigint', 'double precision', 'numeric'],
  bigint: ['numeric'],
  real: ['double precision', 'numeric'],
  // Of a float, numeric has the fewest digits that identify it. It knows NaN and infinity, and no negative zero.
  'double precision': ['numeric'],
  numeric: [],
  date: ['timestamp', 'timestamptz'],
  // In the connector's time_zone.
  timestamp: ['timestamptz'],
  timestamptz: [],
};

/** The digits before the point that a type needs. */
const WHOLE_DIGITS: Record<string, number> = { smallint: 5, integer: 10, bigint: 19 };
/** PostgreSQL's numeric without a precision holds more. */
const MAX_PRECISION = 1000;

/** PostgreSQL's full names of types, as the catalog has them. */
const SHORT_NAMES: Record<string, string> = {
  'timestamp with time zone': 'timestamptz',
  'timestamp without time zone': 'timestamp',
  'time with time zone': 'timetz',
  'time without time zone': 'time',
  int2: 'smallint',
  int4: 'integer',
  int8: 'bigint',
  float4: 'real',
  float8: 'double precision',
  decimal: 'numeric',
};

/** Returns the narrowest type that keeps the values of both. The order does not matter. */
export function joinTypes(one: string, other: string): string {
  const [a, b] = [shortName(one), shortName(other)];
  if (a === b) return a;
  const elements = [elementOf(a), elementOf(b)];
  if (elements[0] !== null && elements[1] !== null) return `${joinTypes(elements[0]!, elements[1]!)}[]`;
  // A list of scalars, where another file has nested values.
  if ((elements[0] !== null && b === 'jsonb') || (elements[1] !== null && a === 'jsonb')) return 'jsonb';
  return joinNumerics(a, b) ?? joinVarchars(a, b) ?? joinPlain(a, b);
}

/** Of what sort a value of JSON must be for each type: those of different sorts are JSON values together. */
const JSON_SORTS: Record<string, string> = {
  bigint: 'number',
  'double precision': 'number',
  numeric: 'number',
  date: 'string',
  timestamptz: 'string',
  uuid: 'string',
  text: 'string',
};

/** The same for the types that are inferred from JSON. */
export function joinJsonTypes(one: string, other: string): string {
  const elements = [elementOf(one), elementOf(other)];
  if (elements[0] !== null && elements[1] !== null) {
    const joined = joinJsonTypes(elements[0]!, elements[1]!);
    return joined === 'jsonb' ? joined : `${joined}[]`;
  }
  const sort = (type: string) => JSON_SORTS[type] ?? type;
  return sort(one) === sort(other) ? joinTypes(one, other) : 'jsonb';
}

function shortName(type: string): string {
  return SHORT_NAMES[type] ?? type;
}

const elementOf = (type: string) => (type.endsWith('[]') ? type.slice(0, -2) : null);

function joinPlain(a: string, b: string): string {
  const keeps = (wide: string, narrow: string) => wide === narrow || (WIDER[narrow]?.includes(wide) ?? false);
  return Object.keys(WIDER).find((type) => keeps(type, a) && keeps(type, b)) ?? 'text';
}

interface Digits {
  whole: number;
  scale: number;
}

/** Returns a type without its length or precision: `timestamp(3) with time zone` is `timestamp with time zone`. */
export function withoutModifier(type: string): string {
  return type.replace(/\([^()]*\)/, '');
}

/** Returns a numeric with room for both, if one of them has a precision; null for other types. */
function joinNumerics(a: string, b: string): string | null {
  if (![a, b].some((type) => type.startsWith('numeric('))) return null;
  const [left, right] = [digitsOf(a), digitsOf(b)];
  // Other numbers need a numeric without a precision.
  if (left === null || right === null) return joinPlain(withoutModifier(a), withoutModifier(b));
  const scale = Math.max(left.scale, right.scale);
  const precision = Math.max(left.whole, right.whole) + scale;
  return precision > MAX_PRECISION ? 'numeric' : `numeric(${precision},${scale})`;
}

function digitsOf(type: string): Digits | null {
  const whole = WHOLE_DIGITS[type];
  if (whole !== undefined) return { whole, scale: 0 };
  const [, precision, scale = '0'] = /^numeric\((\d+)(?:,\s*(\d+))?\)$/.exec(type) ?? [];
  return precision === undefined ? null : { whole: Number(precision) - Number(scale), scale: Number(scale) };
}

const VARCHAR = /^(?:character varying|varchar)\((\d+)\)$/;

function joinVarchars(a: string, b: string): string | null {
  const lengths = [a, b].map((type) => Number(VARCHAR.exec(type)?.[1] ?? Number.NaN));
  const longest = Math.max(...lengths);
  return Number.isNaN(longest) ? null : `character varying(${longest})`;
}
