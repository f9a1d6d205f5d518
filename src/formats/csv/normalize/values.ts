/**
 * Converts values from the way a file writes numbers and times to PostgreSQL's. A value that is not written in the file's way
 * becomes one that PostgreSQL refuses: it could mean something else to PostgreSQL.
 */

/** How the values of a column are converted. */
export type ConvertValue =
  | { what: 'number'; decimal: string; thousands: string | null }
  | { what: 'time'; format: 'ISO' | FieldOrder | EpochUnit }
  /** For columns whose type is not known yet: as a number or a time, if it is written as one, and otherwise not at all. */
  | { what: 'either'; number: NumberFormat | null; time: TimeFormat | null };

export type FieldOrder = 'DMY' | 'MDY' | 'YMD';
export type EpochUnit = 'epoch' | 'epoch_ms' | 'epoch_us' | 'epoch_ns';
type NumberFormat = Extract<ConvertValue, { what: 'number' }>;
type TimeFormat = Extract<ConvertValue, { what: 'time' }>;

/** Returns the value as PostgreSQL reads it. */
export function convertValue(value: string, how: ConvertValue): string {
  switch (how.what) {
    case 'number':
      return toNumber(value, how) ?? `${value} (${describeNumber(how)})`;
    case 'time':
      return toTime(value, how.format) ?? `${value} (not ${how.format})`;
    case 'either':
      return (
        (how.number && toNumber(value, how.number)) ?? (how.time && toTime(value, how.time.format)) ?? value
      );
  }
}

function describeNumber({ decimal, thousands }: NumberFormat): string {
  return `decimal separator ${decimal}${thousands === null ? '' : `, thousands separator ${thousands}`}`;
}

const WORDS = /^\s*[+-]?(nan|inf|infinity)\s*$/i;

/** Returns null if the value is not a number that is written in this way. */
function toNumber(value: string, { decimal, thousands }: NumberFormat): string | null {
  if (WORDS.test(value)) return value;
  const [, space, whole, fraction, exponent] = numberPattern(decimal, thousands).exec(value) ?? [];
  if (whole === undefined || (whole.replace(/^[+-]/, '') === '' && !fraction)) return null;
  const digits = thousands === null ? whole : whole.replaceAll(thousands, '');
  return `${space}${digits}${fraction === undefined ? '' : `.${fraction}`}${exponent ?? ''}`;
}

const patterns = new Map<string, RegExp>();

/** Groups: blanks, sign and whole digits, digits after the decimal separator, exponent. */
function numberPattern(decimal: string, thousands: string | null): RegExp {
  const key = JSON.stringify([decimal, thousands]);
  const known = patterns.get(key);
  if (known) return known;
  const quoted = (text: string) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  const grouped = thousands === null ? '' : `\\d{1,3}(?:${quoted(thousands)}\\d{3})+|`;
  const pattern = new RegExp(
    `^(\\s*)([+-]?(?:${grouped}\\d*))(?:${quoted(decimal)}(\\d*))?([eE][+-]?\\d+)?\\s*$`,
  );
  patterns.set(key, pattern);
  return pattern;
}

/** Three numbers, the time after them. Two-digit years are PostgreSQL's: https://www.postgresql.org/docs/current/datetime-input-rules.html */
const TRIPLE = /^\s*(\d{1,6})([-/.])(\d{1,2})\2(\d{1,6})(?![\d])(.*)$/s;
const ISO = /^\s*\d{4,6}-\d{1,2}-\d{1,2}(?!\d)/;
const WORD_TIMES = /^\s*(now|today|tomorrow|yesterday|epoch|[+-]?infinity)\s*$/i;

/** Returns null if the value is not a time that is written in this way. */
function toTime(value: string, format: TimeFormat['format']): string | null {
  if (WORD_TIMES.test(value)) return value;
  switch (format) {
    case 'ISO':
      return ISO.test(value) ? value : null;
    case 'DMY':
    case 'MDY':
    case 'YMD':
      return inOrder(value, format);
    default:
      return fromEpoch(value, format);
  }
}

function inOrder(value: string, order: FieldOrder): string | null {
  // A year of four digits first is ISO in every order.
  if (ISO.test(value)) return value;
  const found = TRIPLE.exec(value);
  if (!found) return null;
  const [, first, , second, third, rest] = found;
  const parts = { DMY: [third, second, first], MDY: [third, first, second], YMD: [first, second, third] }[
    order
  ];
  const [year, month, day] = parts as [string, string, string];
  if (month.length > 2 || day.length > 2) return null;
  return `${isBefore(rest!) ? year.padStart(4, '0') : fullYear(year)}-${month.padStart(2, '0')}-${day.padStart(2, '0')}${rest}`;
}

/** Whether the year is BC. Then it has no century to add. */
const isBefore = (rest: string) => /bc/i.test(rest);

function fullYear(year: string): string {
  if (year.length > 2) return year.padStart(4, '0');
  const number = Number(year);
  return String(number < 70 ? 2000 + number : 1900 + number);
}

/** How many digits of a unit are below the second. */
const SUBSECOND_DIGITS: Record<EpochUnit, number> = { epoch: 0, epoch_ms: 3, epoch_us: 6, epoch_ns: 9 };
const MICROSECONDS = 1_000_000n;
/** What a Date holds, in milliseconds: the years -271821 to 275760. */
const LONGEST_MS = 8_640_000_000_000_000n;

function fromEpoch(value: string, unit: EpochUnit): string | null {
  const [, sign, whole, fraction = ''] = /^\s*([+-]?)(\d{1,25})(?:\.(\d{0,20}))?\s*$/.exec(value) ?? [];
  if (whole === undefined) return null;
  const shift = SUBSECOND_DIGITS[unit];
  const digits = whole.padStart(shift + 1, '0') + fraction.padEnd(7 + 20, '0');
  const split = whole.padStart(shift + 1, '0').length - shift;
  const below = digits.slice(split);
  // The seventh digit rounds.
  const roundUp = Number(below[6]) >= 5 ? 1n : 0n;
  let microseconds = BigInt(digits.slice(0, split)) * MICROSECONDS + BigInt(below.slice(0, 6)) + roundUp;
  if (sign === '-') microseconds = -microseconds;
  const belowMs = ((microseconds % 1000n) + 1000n) % 1000n;
  const ms = (microseconds - belowMs) / 1000n;
  if (ms < -LONGEST_MS || ms > LONGEST_MS) return null;
  return momentText(new Date(Number(ms)), String(belowMs).padStart(3, '0'));
}

/** @param rest the digits below a millisecond */
function momentText(moment: Date, rest: string): string {
  const year = moment.getUTCFullYear();
  const isBefore = year <= 0;
  // From the month on, `-01-31T23:59:59.999Z`.
  const [date, time] = moment.toISOString().slice(-20, -1).split('T') as [string, string];
  const text = `${String(isBefore ? 1 - year : year).padStart(4, '0')}${date} ${time}${rest}+00`;
  return isBefore ? `${text} BC` : text;
}
