/** Encodes date, time, timestamp and timestamptz, in ISO format only. */
import { type PutValue, putInt32, putInt64, putSafeInt64, UNSURE } from './values.ts';

const ZERO = 0x30;
const MINUS = 0x2d;
const PLUS = 0x2b;
const COLON = 0x3a;
const POINT = 0x2e;
const SPACE = 0x20;
const T = 0x54;
const Z = 0x5a;

const SECONDS_A_DAY = 86_400;
const MICROSECONDS = 1_000_000;
/** Up to this many seconds from 2000, the microseconds are an exact JavaScript number. */
const EXACT_SECONDS = Math.floor(Number.MAX_SAFE_INTEGER / MICROSECONDS) - 1;
/** `2024-01-31`, `23:59`. */
const DATE_LENGTH = 10;
const TIME_LENGTH = 5;
/** PostgreSQL parses larger offsets from UTC. */
const MAX_OFFSET_HOURS = 14;
/** So low that a sum of digits with it stays negative. */
const NO_NUMBER = -1e9;

const DAYS_IN_MONTH = [0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
/** The days before each month in a year that begins in March. */
const DAYS_BEFORE = [0, 306, 337, 0, 31, 61, 92, 122, 153, 184, 214, 245, 275];
/** Days from 0000-03-01 to PostgreSQL's epoch, 2000-01-01. */
const EPOCH = 730_425;

/** date, as `2024-01-31`. */
export const putDate: PutValue = (bytes, start, end, to, at) => {
  const days = end - start === DATE_LENGTH ? parseDate(bytes, start) : Number.NaN;
  return !Number.isNaN(days) ? putInt32(days, to, at) : UNSURE;
};

/** time, as `23:59`, `23:59:59` or `23:59:59.999999`. */
export const putTime: PutValue = (bytes, start, end, to, at) => {
  if (!parseTime(bytes, start, end) || time.end !== end) return UNSURE;
  return putSafeInt64(time.seconds * MICROSECONDS + time.microseconds, to, at);
};

/** timestamp without time zone, as `2024-01-31` or `2024-01-31 23:59:59.999999`; a T may replace the space. */
export const putTimestamp: PutValue = (bytes, start, end, to, at) => {
  const days = parseStamp(bytes, start, end);
  if (Number.isNaN(days) || time.end !== end) return UNSURE;
  return putMoment(days * SECONDS_A_DAY + time.seconds, time.microseconds, to, at);
};

/** timestamp with time zone whose text has an offset: `Z`, `+02`, `-0330`, `+05:45`. */
export const putZonedTimestamp: PutValue = zonedTimestamp(Number.NaN);

/** timestamp with time zone in a session whose zone is UTC; the text may have an offset. */
export const putUtcTimestamp: PutValue = zonedTimestamp(0);

/** @param preset seconds east of UTC if the text has no offset; NaN if only PostgreSQL knows the offset */
function zonedTimestamp(preset: number): PutValue {
  return (bytes, start, end, to, at) => {
    const days = parseStamp(bytes, start, end);
    if (Number.isNaN(days)) return UNSURE;
    const offset = time.end === end ? preset : parseOffset(bytes, time.end, end);
    if (Number.isNaN(offset)) return UNSURE;
    return putMoment(days * SECONDS_A_DAY + time.seconds - offset, time.microseconds, to, at);
  };
}

/** The result of parseTime: seconds of the day, and the position after the time. */
const time = { seconds: 0, microseconds: 0, end: 0 };

function putMoment(seconds: number, microseconds: number, to: Uint8Array, at: number): number {
  if (seconds > -EXACT_SECONDS && seconds < EXACT_SECONDS) {
    return putSafeInt64(seconds * MICROSECONDS + microseconds, to, at);
  }
  return putInt64(BigInt(seconds) * BigInt(MICROSECONDS) + BigInt(microseconds), to, at);
}

/** Returns the date as days since 2000, with the time of day in `time`; NaN if PostgreSQL must parse the text. */
function parseStamp(bytes: Uint8Array, start: number, end: number): number {
  const days = end - start < DATE_LENGTH ? Number.NaN : parseDate(bytes, start);
  if (Number.isNaN(days)) return days;
  const at = start + DATE_LENGTH;
  time.seconds = 0;
  time.microseconds = 0;
  time.end = at;
  if (at === end) return days;
  if (bytes[at] !== SPACE && bytes[at] !== T) return Number.NaN;
  return parseTime(bytes, at + 1, end) ? days : Number.NaN;
}

/** Returns ten characters `YYYY-MM-DD` as days since 2000; NaN if they are not an existing date. */
function parseDate(bytes: Uint8Array, at: number): number {
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

/** Parses `HH:MM`, `HH:MM:SS` or `HH:MM:SS.ffffff` into `time`; returns false for anything else. */
function parseTime(bytes: Uint8Array, start: number, end: number): boolean {
  let at = start + TIME_LENGTH;
  if (at > end || bytes[start + 2] !== COLON) return false;
  const hours = twoDigits(bytes, start);
  const minutes = twoDigits(bytes, start + 3);
  let seconds = 0;
  time.microseconds = 0;
  if (at + 3 <= end && bytes[at] === COLON) {
    seconds = twoDigits(bytes, at + 1);
    at += 3;
    if (at < end && bytes[at] === POINT) {
      at = parseFraction(bytes, at + 1, end);
      if (at < 0) return false;
    }
  }
  time.seconds = hours * 3600 + minutes * 60 + seconds;
  time.end = at;
  return hours >= 0 && hours < 24 && minutes >= 0 && minutes < 60 && seconds >= 0 && seconds < 60;
}

/** Parses one to six digits into `time.microseconds`; returns the position after them. More digits return -1. */
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
  return at === start || unit < 1 ? -1 : at;
}

/** Returns an offset as seconds east of UTC; NaN if PostgreSQL must parse it. */
function parseOffset(bytes: Uint8Array, at: number, end: number): number {
  const length = end - at;
  if (length === 1 && bytes[at] === Z) return 0;
  const sign = bytes[at] === PLUS ? 1 : -1;
  if (sign === -1 && bytes[at] !== MINUS) return Number.NaN;
  const colon = length === 6 && bytes[at + 3] === COLON ? 1 : 0;
  if (length !== 3 && length !== 5 + colon) return Number.NaN;
  const hours = twoDigits(bytes, at + 1);
  const minutes = length === 3 ? 0 : twoDigits(bytes, at + 3 + colon);
  const known = hours >= 0 && hours <= MAX_OFFSET_HOURS && minutes >= 0 && minutes < 60;
  return known ? sign * (hours * 3600 + minutes * 60) : Number.NaN;
}

function twoDigits(bytes: Uint8Array, at: number): number {
  const high = (bytes[at] as number) - ZERO;
  const low = (bytes[at + 1] as number) - ZERO;
  return high >= 0 && high <= 9 && low >= 0 && low <= 9 ? high * 10 + low : NO_NUMBER;
}
