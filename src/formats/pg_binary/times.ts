/** Encodes date, time, timestamp and timestamptz, in ISO format only. */
import { parseDate, parseOffset, parseStamp, parseTime, time } from '../pg_text/times.ts';
import { type PutValue, putInt32, putInt64, putSafeInt64, UNSURE } from './values.ts';

const LOWER_Z = 0x7a;

const SECONDS_A_DAY = 86_400;
const MICROSECONDS = 1_000_000;
/** PostgreSQL rounds times with more digits after the second. */
const MAX_FRACTION_DIGITS = 6;
/** Up to this many seconds from 2000, the microseconds are an exact JavaScript number. */
const EXACT_SECONDS = Math.floor(Number.MAX_SAFE_INTEGER / MICROSECONDS) - 1;
/** PostgreSQL parses offsets from UTC of this many seconds and more. */
const LARGE_OFFSET = 15 * 3600;

/** date, as `2024-01-31`. */
export const putDate: PutValue = (bytes, start, end, to, at) => {
  const days = parseDate(bytes, start, end);
  return !Number.isNaN(days) ? putInt32(days, to, at) : UNSURE;
};

/** time, as `23:59`, `23:59:59` or `23:59:59.999999`. */
export const putTime: PutValue = (bytes, start, end, to, at) => {
  if (!parseTime(bytes, start, end) || time.end !== end || isTooFine()) return UNSURE;
  return putSafeInt64(time.seconds * MICROSECONDS + time.microseconds, to, at);
};

/** timestamp without time zone, as `2024-01-31` or `2024-01-31 23:59:59.999999`; a T may replace the space. */
export const putTimestamp: PutValue = (bytes, start, end, to, at) => {
  const days = parseStamp(bytes, start, end);
  if (Number.isNaN(days) || time.end !== end || isTooFine()) return UNSURE;
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
    if (Number.isNaN(days) || isTooFine()) return UNSURE;
    const offset = time.end === end ? preset : certainOffset(bytes, time.end, end);
    if (Number.isNaN(offset)) return UNSURE;
    return putMoment(days * SECONDS_A_DAY + time.seconds - offset, time.microseconds, to, at);
  };
}

function putMoment(seconds: number, microseconds: number, to: Uint8Array, at: number): number {
  if (seconds > -EXACT_SECONDS && seconds < EXACT_SECONDS) {
    return putSafeInt64(seconds * MICROSECONDS + microseconds, to, at);
  }
  return putInt64(BigInt(seconds) * BigInt(MICROSECONDS) + BigInt(microseconds), to, at);
}

/** Whether `time` has more digits than PostgreSQL keeps. */
function isTooFine(): boolean {
  return time.fractionDigits > MAX_FRACTION_DIGITS;
}

/** Returns an offset as seconds east of UTC; NaN if PostgreSQL must parse it. */
function certainOffset(bytes: Uint8Array, start: number, end: number): number {
  const offset = parseOffset(bytes, start, end);
  return Math.abs(offset) < LARGE_OFFSET && bytes[start] !== LOWER_Z ? offset : Number.NaN;
}
