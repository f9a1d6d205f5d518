/**
 * Encodes numeric (numeric_recv in src/backend/utils/adt/numeric.c): the number of base-10,000 digits, the weight of the
 * first, the sign, the scale, and the digits. PostgreSQL rounds to the column's scale on receipt.
 */
import { decimal, parseDecimal } from '../pg_text/numbers.ts';
import { type PutValue, UNSURE } from './values.ts';

const ZERO = 0x30;
const MINUS = 0x2d;

/** PostgreSQL parses values with more digits. */
const MAX_DIGITS = 1000;
/** Decimal digits in one base-10,000 digit. */
const GROUP = 4;
const NEGATIVE = 0x40;
/** Bytes of count, weight, sign and scale. */
const HEAD = 8;

/** numeric: an optional sign, decimal digits and an optional point, without an exponent. */
export const putNumeric: PutValue = (bytes, start, end, to, at) => {
  if (parseDecimal(bytes, start, end) !== end) return UNSURE;
  const { first, point } = decimal;
  const scale = point === end ? 0 : end - point - 1;
  if (end - first > MAX_DIGITS || point === first || (point !== end && scale === 0)) return UNSURE;
  let next = at + HEAD;
  // The digits that the first group lacks; faster than a remainder.
  const missing = (first - point) & (GROUP - 1);
  let weight = ((point - first + missing) >> 2) - 1;
  // The first group may be shorter, and the last one after the point is padded with zeros.
  let from = first - missing;
  while (from < end) {
    const group = from < point ? groupAt(bytes, from, first, point) : groupAt(bytes, from, point + 1, end);
    if (next === at + HEAD && group === 0) weight--;
    else {
      to[next++] = group >> 8;
      to[next++] = group;
    }
    from += GROUP;
    if (from === point) from++;
  }
  while (next > at + HEAD && to[next - 1] === 0 && to[next - 2] === 0) next -= 2;
  putHead((next - at - HEAD) / 2, weight, bytes[start] === MINUS, scale, to, at);
  return next;
};

/** Returns the value of four decimal digits; positions outside of the range count as zeros. */
function groupAt(bytes: Uint8Array, from: number, start: number, end: number): number {
  let group = 0;
  for (let at = from; at < from + GROUP; at++) {
    group = group * 10 + (at >= start && at < end ? (bytes[at] as number) - ZERO : 0);
  }
  return group;
}

function putHead(
  count: number,
  weight: number,
  negative: boolean,
  scale: number,
  to: Uint8Array,
  at: number,
): void {
  to[at] = count >> 8;
  to[at + 1] = count;
  to[at + 2] = count === 0 ? 0 : weight >> 8;
  to[at + 3] = count === 0 ? 0 : weight;
  to[at + 4] = negative && count > 0 ? NEGATIVE : 0;
  to[at + 5] = 0;
  to[at + 6] = scale >> 8;
  to[at + 7] = scale;
}
