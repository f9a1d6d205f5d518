import {
  DuckDBBlobValue,
  DuckDBDateValue,
  DuckDBDecimalValue,
  DuckDBIntervalValue,
  DuckDBListValue,
  DuckDBMapValue,
  DuckDBStructValue,
  DuckDBTimeNSValue,
  DuckDBTimestampNanosecondsValue,
  DuckDBTimestampTZValue,
  DuckDBTimestampValue,
  DuckDBTimeTZValue,
  DuckDBTimeValue,
  DuckDBUUIDValue,
  type DuckDBValue,
} from '@duckdb/node-api';

// A common form for a value as DuckDB's own library returns it and as PostgreSQL returns it in SQL: it is
// neither's text, and uses no code of ours.

/** SQL that converts a value of a type, or of a domain's base type, into the common form. */
export function postgresForm(type: string, value: string): string {
  if (type.endsWith('[]')) {
    const element = postgresForm(type.slice(0, -2), 'e');
    return `(select coalesce(jsonb_agg(${element} order by n), '[]') from unnest(${value}) with ordinality u(e, n) where ${value} is not null having ${value} is not null)::text`;
  }
  return POSTGRES[type]?.(value) ?? `${value}::text`;
}

const POSTGRES: Record<string, (value: string) => string> = {
  real: (value) => `encode(float8send(${value}::float8), 'hex')`,
  numeric: (value) => `trim_scale(${value})::text`,
  bytea: (value) => `encode(${value}, 'hex')`,
  ...Object.fromEntries(
    Object.entries({
      'double precision': 'float8send',
      date: 'date_send',
      'timestamp without time zone': 'timestamp_send',
      'timestamp with time zone': 'timestamptz_send',
      'time without time zone': 'time_send',
      'time with time zone': 'timetz_send',
      interval: 'interval_send',
    }).map(([type, send]) => [type, (value: string) => `encode(${send}(${value}), 'hex')`]),
  ),
};

const INTEGERS = ['smallint', 'integer', 'bigint'];
const TEXTS = ['text', 'character varying', 'character', 'name'];

/** From 1970 to 2000, where PostgreSQL's dates begin. */
const EPOCH_DAYS = 10_957;
const EPOCH_MICROS = BigInt(EPOCH_DAYS) * 86_400_000_000n;

/**
 * A value of DuckDB's in the form that `postgresForm` gives for the type; null stays null.
 * @param source its type in DuckDB
 */
export function duckdbForm(value: DuckDBValue, type: string, source: string): string | null {
  if (value === null) return null;
  if (type.endsWith('[]')) {
    const forms = (value as DuckDBListValue).items.map((item) =>
      duckdbForm(item, type.slice(0, -2), source.slice(0, -2)),
    );
    // As PostgreSQL writes jsonb.
    return `[${forms.map((form) => JSON.stringify(form)).join(', ')}]`;
  }
  if (type.startsWith('json')) return typeof value === 'string' ? value : jsonOf(value);
  // Spaces at its end are not part of a char(n).
  if (value instanceof DuckDBBlobValue && type !== 'bytea') return Buffer.from(value.bytes).toString();
  if (INTEGERS.includes(type))
    return typeof value === 'number' ? String(BigInt(value)) : plainNumber(String(value));
  if (TEXTS.includes(type)) return String(value).replace(type === 'character' ? / +$/ : '', '');
  if (type === 'numeric')
    return plainNumber(source === 'FLOAT' ? singleText(value as number) : String(value));
  if (type === 'real' || type === 'double precision') {
    const number = typeof value === 'number' ? value : Number(String(value));
    return bitsOf(type === 'real' ? Math.fround(number) : number);
  }
  if (value instanceof DuckDBBlobValue) return Buffer.from(value.bytes).toString('hex');
  if (value instanceof DuckDBDateValue) {
    if (Math.abs(value.days) === 2147483647) return value.days > 0 ? '7fffffff' : '80000000';
    return hexOf(BigInt(value.days - EPOCH_DAYS), 4);
  }
  if (value instanceof DuckDBTimestampValue || value instanceof DuckDBTimestampTZValue) {
    return stampBits(value.micros, value.micros);
  }
  if (value instanceof DuckDBTimestampNanosecondsValue) return stampBits(value.nanos, value.nanos / 1000n);
  if (value instanceof DuckDBTimeValue) return hexOf(value.micros, 8);
  if (value instanceof DuckDBTimeNSValue) return hexOf(value.nanos / 1000n, 8);
  // East is positive in DuckDB, and negative in PostgreSQL.
  if (value instanceof DuckDBTimeTZValue) return hexOf(value.micros, 8) + hexOf(BigInt(-value.offset), 4);
  if (value instanceof DuckDBIntervalValue) return intervalBits(value);
  return String(value);
}

/** @param stored the number in the file, in any unit; the largest and smallest one mean infinity */
function stampBits(stored: bigint, micros: bigint): string {
  const largest = 2n ** 63n - 1n;
  if (stored === largest || stored === -largest) return stored > 0 ? '7fffffffffffffff' : '8000000000000000';
  return hexOf(micros - EPOCH_MICROS, 8);
}

function hexOf(value: bigint, bytes: number): string {
  return BigInt.asUintN(bytes * 8, value)
    .toString(16)
    .padStart(bytes * 2, '0');
}

function bitsOf(value: number): string {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleBE(Number.isNaN(value) ? Number.NaN : value);
  return bytes.toString('hex');
}

function intervalBits({ months, days, micros }: DuckDBIntervalValue): string {
  return hexOf(micros, 8) + hexOf(BigInt(days), 4) + hexOf(BigInt(months), 4);
}

/** The shortest decimal that identifies this number of 32 bits. */
function singleText(value: number): string {
  for (let digits = 1; digits < 9; digits++) {
    const text = value.toPrecision(digits);
    if (Math.fround(Number(text)) === value) return text;
  }
  return Number.isFinite(value) ? value.toPrecision(9) : String(value);
}

/** A number without an exponent and without zeros at its ends, as numeric's trim_scale writes it. */
export function plainNumber(text: string): string {
  if (!/^[-+]?[\d.]+(e[-+]?\d+)?$/i.test(text)) return text;
  const [, sign, whole, part = '', exponent = '0'] = /^([-+]?)(\d*)\.?(\d*)(?:e([-+]?\d+))?$/i.exec(text)!;
  const digits = whole + part;
  const point = whole!.length + Number(exponent);
  const padded = digits.padEnd(point, '0').padStart(digits.length + Math.max(0, 1 - point), '0');
  const at = Math.max(point, 1);
  const integer = padded.slice(0, at).replace(/^0+(?=\d)/, '');
  const fraction = padded.slice(at).replace(/0+$/, '');
  const number = fraction === '' ? integer : `${integer}.${fraction}`;
  return sign === '-' && /[1-9]/.test(number) ? `-${number}` : number;
}

/** JSON with sorted keys and plain numbers; a number is compared by its digits, not as a double. */
export function jsonForm(text: string): string {
  const ordered = (_: string, value: unknown, context?: { source: string }) => {
    if (typeof value === 'number') return `number ${plainNumber(context!.source)}`;
    if (typeof value === 'string') return `string ${value}`;
    if (value === null || typeof value !== 'object' || Array.isArray(value)) return value;
    return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
  };
  return JSON.stringify(JSON.parse(text, ordered as (key: string, value: unknown) => unknown));
}

/** A nested value as JSON: structs and maps are objects, numbers are numbers, all else is DuckDB's text. */
function jsonOf(value: DuckDBValue): string {
  // As PostgreSQL's to_json writes them.
  if (typeof value === 'number' && !Number.isFinite(value)) return JSON.stringify(String(value));
  if (value === null) return 'null';
  if (value instanceof DuckDBListValue) return `[${value.items.map(jsonOf).join(',')}]`;
  if (value instanceof DuckDBStructValue) return objectOf(Object.entries(value.entries));
  if (value instanceof DuckDBMapValue) {
    return objectOf(value.entries.map(({ key, value: item }) => [String(key), item]));
  }
  if (value instanceof DuckDBDecimalValue || ['number', 'bigint', 'boolean'].includes(typeof value)) {
    return String(value);
  }
  if (value instanceof DuckDBUUIDValue) return JSON.stringify(value.toString());
  return JSON.stringify(String(value));
}

function objectOf(entries: [string, DuckDBValue][]): string {
  return `{${entries.map(([key, item]) => `${JSON.stringify(key)}:${jsonOf(item)}`).join(',')}}`;
}
