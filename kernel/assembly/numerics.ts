/** Encodes numeric: an optional sign, digits and an optional point, without an exponent. */
import { digitAt, put16 } from './bytes';
import { UNSURE } from './layout';

const PLUS: u32 = 0x2b;
const MINUS: u32 = 0x2d;
const POINT: u32 = 0x2e;
/** With the point. */
const MAX_CHARACTERS: u32 = 1000;
/** Decimal digits in one base-10,000 digit. */
const GROUP: u32 = 4;
const NEGATIVE: u32 = 0x4000;
/** Bytes of count, weight, sign and scale. */
const HEAD: u32 = 8;

export function putNumeric(from: u32, end: u32, to: u32): u32 {
  if (from >= end) return UNSURE;
  const sign = load<u8>(from) as u32;
  const first = sign === MINUS || sign === PLUS ? from + 1 : from;
  if (end - first > MAX_CHARACTERS) return UNSURE;
  let point = end;
  for (let at = first; at < end; at++) {
    if (digitAt(at) <= 9) continue;
    if (load<u8>(at) !== POINT || point !== end) return UNSURE;
    point = at;
  }
  // Digits before the point, and after it if there is one.
  if (point === first || point + 1 === end) return UNSURE;
  const scale = point === end ? 0 : end - point - 1;
  const missing = (first - point) & (GROUP - 1);
  let weight = (((point - first + missing) >> 2) as i32) - 1;
  let next = to + HEAD;
  // The first group may be shorter, and the last one after the point is padded with zeros.
  for (let at = first - missing; at < end; ) {
    const group = at < point ? groupAt(at, first, point) : groupAt(at, point + 1, end);
    if (next === to + HEAD && group === 0) weight--;
    else {
      put16(next, group);
      next += 2;
    }
    at += GROUP;
    if (at === point) at++;
  }
  while (next > to + HEAD && load<u16>(next - 2) === 0) next -= 2;
  const count = (next - to - HEAD) >> 1;
  put16(to, count);
  put16(to + 2, count === 0 ? 0 : (weight as u32));
  put16(to + 4, sign === MINUS && count > 0 ? NEGATIVE : 0);
  put16(to + 6, scale);
  return next;
}

/** Returns the number of four digits; positions outside of the range count as zeros. */
function groupAt(from: u32, start: u32, end: u32): u32 {
  let group: u32 = 0;
  for (let at = from; at < from + GROUP; at++) {
    group *= 10;
    if (at >= start && at < end) group += digitAt(at);
  }
  return group;
}
