/** Formats numbers, sizes, durations and times for pages. */
/** The driver returns a bigint as text. */
export type Bigint = string;

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];

/** Formats 1234567 as 1,234,567, and an unknown number as a dash. */
export function count(value: Bigint | number | null | undefined): string {
  return value === null || value === undefined ? '–' : BigInt(value).toLocaleString('en-US');
}

/** Formats a number with its noun: 1 row, 2 rows. */
export function counted(value: Bigint | number, noun: string): string {
  return `${count(value)} ${noun}${String(value) === '1' ? '' : 's'}`;
}

/** Formats bytes with three significant digits. */
export function bytes(value: Bigint | number | null | undefined): string {
  if (value === null || value === undefined) return '–';
  let size = Number(value);
  let unit = 0;
  while (size >= 1024 && unit < UNITS.length - 1) {
    size /= 1024;
    unit++;
  }
  return `${unit === 0 ? size : size.toPrecision(size < 1000 ? 3 : 4)} ${UNITS[unit]}`;
}

/** Formats seconds in the units that a person would use. */
export function duration(seconds: number | null | undefined): string {
  if (seconds === null || seconds === undefined) return '–';
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 60) return `${seconds.toFixed(seconds < 10 ? 2 : 1)} s`;
  const whole = Math.round(seconds);
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  if (whole < 86_400) return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
  return `${Math.floor(whole / 86_400)} d ${Math.floor((whole % 86_400) / 3600)} h`;
}

/** Formats a lag as it is read in a list: 40 s, 20 min, 3 h, 5 d. */
export function lag(seconds: number | null): string {
  return seconds === null ? '–' : inOneUnit(Math.max(seconds, 0));
}

/** Formats seconds to the nearest unit that matters: 20 min, 3 h. */
export function roughly(seconds: number): string {
  if (seconds < 60) return 'a minute';
  if (seconds < 3600 * 1.5) return `${Math.round(seconds / 60)} min`;
  if (seconds < 86_400 * 2) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86_400)} days`;
}

/** Formats a time in UTC, to the second. */
export function utc(time: Date): string {
  return time.toISOString().slice(0, 19).replace('T', ' ');
}

/** Formats the rough distance of a time from now. */
export function relative(time: Date, now = Date.now()): string {
  const seconds = (now - time.getTime()) / 1000;
  const size = Math.abs(seconds);
  if (size < 2) return 'now';
  const text = inOneUnit(size);
  return seconds > 0 ? `${text} ago` : `in ${text}`;
}

function inOneUnit(seconds: number): string {
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  return seconds < 86_400 ? `${Math.floor(seconds / 3600)} h` : `${Math.floor(seconds / 86_400)} d`;
}

/** Returns the name of a type as people write it: timestamptz for timestamp with time zone. */
export function shortType(type: string): string {
  return type
    .replace(/^timestamp(\(\d\))? with time zone/, 'timestamptz$1')
    .replace(' without time zone', '')
    .replace('character varying', 'varchar');
}

/** Returns the words that people see for a status. */
export function statusLabel(status: string): string {
  return status.replaceAll('_', ' ');
}
