/** Encodes date, time, timestamp and timestamptz, in ISO format only. */
import { digitAt, put32, put64, twoDigits } from './bytes';
import { UNSURE } from './layout';

const MINUS: u32 = 0x2d;
const PLUS: u32 = 0x2b;
const COLON: u32 = 0x3a;
const POINT: u32 = 0x2e;
const SPACE: u32 = 0x20;
const T: u32 = 0x54;
const Z: u32 = 0x5a;

const MICROSECONDS: i64 = 1000000;
const SECONDS_A_DAY: i64 = 86400;
/** `2024-01-31`, `23:59`. */
const DATE_LENGTH: u32 = 10;
const TIME_LENGTH: u32 = 5;
/** PostgreSQL rounds times with more digits after the second. */
const MAX_FRACTION_DIGITS: u32 = 6;
/** Offsets from UTC of this many hours and more are in doubt. */
const LARGE_OFFSET_HOURS: u32 = 15;
/** From 0000-03-01 to 2000-01-01. */
const EPOCH: i32 = 730425;
const NO_DAY: i32 = i32.MIN_VALUE;
const NO_OFFSET: i64 = i64.MIN_VALUE;

export function putDate(from: u32, end: u32, to: u32): u32 {
  if (end - from !== DATE_LENGTH) return UNSURE;
  const days = parseDate(from);
  if (days === NO_DAY) return UNSURE;
  put32(to, days);
  return to + 4;
}

export function putTime(from: u32, end: u32, to: u32): u32 {
  if (parseTime(from, end) !== end) return UNSURE;
  put64(to, timeOfDay);
  return to + 8;
}

/** A timestamp without an offset. */
export function putTimestamp(from: u32, end: u32, to: u32): u32 {
  if (parseStamp(from, end) !== end) return UNSURE;
  put64(to, moment);
  return to + 8;
}

/** A timestamp with an offset; without one, `isUtc` decides whether it is in UTC or in doubt. */
export function putZoned(from: u32, end: u32, to: u32, isUtc: bool): u32 {
  const at = parseStamp(from, end);
  if (at === UNSURE) return UNSURE;
  if (at === end) {
    if (!isUtc) return UNSURE;
  } else {
    const offset = parseOffset(at, end);
    if (offset === NO_OFFSET) return UNSURE;
    moment -= offset * MICROSECONDS;
  }
  put64(to, moment);
  return to + 8;
}

/** The last results, in microseconds. */
let timeOfDay: i64 = 0;
let moment: i64 = 0;

/** Puts a date, and the time of day that may follow it, into `moment`; returns the end of both. */
function parseStamp(from: u32, end: u32): u32 {
  if (end - from < DATE_LENGTH) return UNSURE;
  const days = parseDate(from);
  if (days === NO_DAY) return UNSURE;
  moment = (days as i64) * SECONDS_A_DAY * MICROSECONDS;
  const at = from + DATE_LENGTH;
  if (at === end) return at;
  const separator = load<u8>(at) as u32;
  if (separator !== SPACE && separator !== T) return UNSURE;
  const after = parseTime(at + 1, end);
  if (after !== UNSURE) moment += timeOfDay;
  return after;
}

/** The characters of the last date, and its days since 2000: many rows in sequence have the same date. */
let lastStart: u64 = 0;
let lastEnd: u32 = 0;
let lastDays: i32 = NO_DAY;

/** Returns the days since 2000 of a date of DATE_LENGTH characters. */
function parseDate(at: u32): i32 {
  const start = load<u64>(at);
  const end = load<u16>(at + 8) as u32;
  if (start === lastStart && end === lastEnd) return lastDays;
  lastStart = start;
  lastEnd = end;
  lastDays = daysAt(at);
  return lastDays;
}

function daysAt(at: u32): i32 {
  const century = twoDigits(at);
  const years = twoDigits(at + 2);
  const month = twoDigits(at + 5);
  const day = twoDigits(at + 8);
  if (load<u8>(at + 4) !== MINUS || load<u8>(at + 7) !== MINUS) return NO_DAY;
  if (century > 99 || years > 99 || month - 1 > 11 || day > 31) return NO_DAY;
  const year = century * 100 + years;
  if (year === 0 || day === 0 || day > daysIn(month, year)) return NO_DAY;
  // In a year that begins in March, a leap day is the last day.
  const marchYear = (month < 3 ? year - 1 : year) as i32;
  const marchMonth = ((month + 9) % 12) as i32;
  const leapDays = marchYear / 4 - marchYear / 100 + marchYear / 400;
  return marchYear * 365 + leapDays + (marchMonth * 153 + 2) / 5 + (day as i32) - 1 - EPOCH;
}

function daysIn(month: u32, year: u32): u32 {
  if (month === 2) return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28;
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
}

/** Puts `HH:MM`, `HH:MM:SS` or `HH:MM:SS.ffffff` into `timeOfDay`; returns its end. */
function parseTime(from: u32, end: u32): u32 {
  let at = from + TIME_LENGTH;
  if (at > end || load<u8>(from + 2) !== COLON) return UNSURE;
  const hours = twoDigits(from);
  const minutes = twoDigits(from + 3);
  let seconds: u32 = 0;
  let microseconds: u32 = 0;
  if (at + 3 <= end && load<u8>(at) === COLON) {
    seconds = twoDigits(at + 1);
    at += 3;
    if (at < end && load<u8>(at) === POINT) {
      const start = ++at;
      let unit: u32 = MICROSECONDS as u32;
      for (; at < end; at++) {
        const digit = digitAt(at);
        if (digit > 9) break;
        microseconds = microseconds * 10 + digit;
        unit /= 10;
      }
      if (at === start || at - start > MAX_FRACTION_DIGITS) return UNSURE;
      microseconds *= unit;
    }
  }
  if (hours > 23 || minutes > 59 || seconds > 59) return UNSURE;
  timeOfDay = ((hours * 3600 + minutes * 60 + seconds) as i64) * MICROSECONDS + (microseconds as i64);
  return at;
}

/** Returns `Z`, `+HH`, `+HHMM` or `+HH:MM` as seconds east of UTC. */
function parseOffset(at: u32, end: u32): i64 {
  const length = end - at;
  const sign = load<u8>(at) as u32;
  if (length === 1) return sign === Z ? 0 : NO_OFFSET;
  if (sign !== PLUS && sign !== MINUS) return NO_OFFSET;
  const colon: u32 = length === 6 && load<u8>(at + 3) === COLON ? 1 : 0;
  if (length !== 3 && length !== 5 + colon) return NO_OFFSET;
  const hours = twoDigits(at + 1);
  const minutes = length === 3 ? 0 : twoDigits(at + 3 + colon);
  if (hours >= LARGE_OFFSET_HOURS || minutes > 59) return NO_OFFSET;
  const seconds = (hours * 3600 + minutes * 60) as i64;
  return sign === MINUS ? -seconds : seconds;
}
