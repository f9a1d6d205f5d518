/**
 * Parses dates, times of day, timestamps and offsets from UTC in ISO format. The parsers accept what has one meaning
 * only; each caller adds its own rule, for example the number of digits after the second.
 */

const ZERO = 0x30;
const MINUS = 0x2d;
const PLUS = 0x2b;
const COLON = 0x3a;
const POINT = 0x2e;
const SPACE = 0x20;
const T = 0x54;
const Z = 0x5a;
const LOWER_Z = 0x7a;

const SECONDS_AN_HOUR = 3600;
const MICROSECONDS = 1_000_000;
/** `2024-01-31`, `23:59`. */
const DATE_LENGTH = 10;
const TIME_LENGTH = 5;
/** PostgreSQL refuses larger offsets from UTC. */
const MAX_OFFSET_HOURS = 15;
/** So low that a sum of digits with it stays negative. */
const NO_NUMBER = -1e9;

const DAYS_IN_MONTH = [0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
/** The days before each month in a year that begins in March. */
const DAYS_BEFORE = [0, 306, 337, 0, 31, 61, 92, 122, 153, 184, 214, 245, 275];
/** Days from 0000-03-01 to PostgreSQL's epoch, 2000-01-01. */
const EPOCH = 730_425;

/** The result of parseTime: the time of day, and the position after it. */
export const time = {
  seconds: 0,
  /** Exact if there are at most six fraction digits. */
  microseconds: 0,
  fractionDigits: 0,
  end: 0,
};

/** Returns `YYYY-MM-DD` as days since 2000; NaN if the text is not an existing date of the years 1 to 9999. */
export function parseDate(bytes: Uint8Array, start: number, end: number): number {
  return end - start === DATE_LENGTH ? parseDateAt(bytes, start) : Number.NaN;
}

/**
 * Parses a date that a time of day may follow, after a space or a T.
 * @returns the date as days since 2000, with the time of day in `time`; NaN for other texts
 */
export function parseStamp(bytes: Uint8Array, start: number, end: number): number {
  const days = end - start < DATE_LENGTH ? Number.NaN : parseDateAt(bytes, start);
  if (Number.isNaN(days)) return days;
  const at = start + DATE_LENGTH;
  if (at === end) return atMidnight(days, at);
  if (bytes[at] !== SPACE && bytes[at] !== T) return Number.NaN;
  return parseTime(bytes, at + 1, end) ? days : Number.NaN;
}

/** Puts 00:00 into `time`, which ends at `end`. */
function atMidnight(days: number, end: number): number {
  time.seconds = 0;
  time.microseconds = 0;
  time.fractionDigits = 0;
  time.end = end;
  return days;
}

function parseDateAt(bytes: Uint8Array, at: number): number {
  const year = twoDigits(bytes, at) * 100 + twoDigits(bytes, at + 2);
  const month = twoDigits(bytes, at + 5);
  const day = twoDigits(bytes, at + 8);
  if (bytes[at + 4] !== MINUS || bytes[at + 7] !== MINUS) return Number.NaN;
  if (!(year > 0 && month > 0 && month <= 12 && day > 0 && day <= (DAYS_IN_MONTH[month] as number))) {
    return Number.NaN;
  }
  if (month === 2 && day === 29 && !(year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0))) {
    return Number.NaN;
  }
  // In a year that begins in March, a leap day is the last day.
  const marchYear = month < 3 ? year - 1 : year;
  const leapDays = ((marchYear / 4) | 0) - ((marchYear / 100) | 0) + ((marchYear / 400) | 0);
  return marchYear * 365 + leapDays + (DAYS_BEFORE[month] as number) + day - 1 - EPOCH;
}

/**
 * Parses `HH:MM`, `HH:MM:SS` or `HH:MM:SS.ffffff` at the start of the text into `time`.
 * @returns false for other texts
 */
export function parseTime(bytes: Uint8Array, start: number, end: number): boolean {
  let at = start + TIME_LENGTH;
  if (at > end || bytes[start + 2] !== COLON) return false;
  const hours = twoDigits(bytes, start);
  const minutes = twoDigits(bytes, start + 3);
  let seconds = 0;
  time.microseconds = 0;
  time.fractionDigits = 0;
  if (at + 3 <= end && bytes[at] === COLON) {
    seconds = twoDigits(bytes, at + 1);
    at += 3;
    if (at < end && bytes[at] === POINT) {
      at = parseFraction(bytes, at + 1, end);
      if (time.fractionDigits === 0) return false;
    }
  }
  time.seconds = hours * SECONDS_AN_HOUR + minutes * 60 + seconds;
  time.end = at;
  return hours >= 0 && hours < 24 && minutes >= 0 && minutes < 60 && seconds >= 0 && seconds < 60;
}

/** Parses digits after the point of a second into `time`; returns the position after them. */
function parseFraction(bytes: Uint8Array, start: number, end: number): number {
  let at = start;
  let value = 0;
  let unit = MICROSECONDS;
  for (; at < end; at++) {
    const digit = (bytes[at] as number) - ZERO;
    if (digit < 0 || digit > 9) break;
    value = value * 10 + digit;
    unit /= 10;
  }
  time.microseconds = value * unit;
  time.fractionDigits = at - start;
  return at;
}

/** Returns `Z`, `+HH`, `+HHMM` or `+HH:MM` as seconds east of UTC; NaN for other texts, and beyond PostgreSQL's range. */
export function parseOffset(bytes: Uint8Array, at: number, end: number): number {
  const length = end - at;
  if (length === 1 && (bytes[at] === Z || bytes[at] === LOWER_Z)) return 0;
  const sign = bytes[at] === PLUS ? 1 : -1;
  if (sign === -1 && bytes[at] !== MINUS) return Number.NaN;
  const colon = length === 6 && bytes[at + 3] === COLON ? 1 : 0;
  if (length !== 3 && length !== 5 + colon) return Number.NaN;
  const hours = twoDigits(bytes, at + 1);
  const minutes = length === 3 ? 0 : twoDigits(bytes, at + 3 + colon);
  const known = hours >= 0 && hours <= MAX_OFFSET_HOURS && minutes >= 0 && minutes < 60;
  return known ? sign * (hours * SECONDS_AN_HOUR + minutes * 60) : Number.NaN;
}

function twoDigits(bytes: Uint8Array, at: number): number {
  const high = (bytes[at] as number) - ZERO;
  const low = (bytes[at + 1] as number) - ZERO;
  return high >= 0 && high <= 9 && low >= 0 && low <= 9 ? high * 10 + low : NO_NUMBER;
}
