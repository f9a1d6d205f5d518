/** A stable merge sort of the sequences that are sorted already. Rows in order, or in the opposite order, take one pass. */
import { keyBytes } from './keys';
import { STACK } from './layout';

/** Sequences that are shorter are made this long by insertion. */
const LEAST: u32 = 12;
/** Of a sequence on the stack: its start, its end and its level. */
const ENTRY: u32 = 12;

let keys: u32 = 0;
let scratch: u32 = 0;

/** @param scratchAt room for half of the numbers */
export function useMemory(keysAt: u32, scratchAt: u32): void {
  keys = keysAt;
  scratch = scratchAt;
}

/** Sorts the numbers of rows from the address `from` to `to` (excluded) by the keys of these rows. */
export function sort(from: u32, to: u32): void {
  let top = STACK;
  for (let at = from; at < to; ) {
    const end = sequence(at, to);
    let start = at;
    let level: u32 = 0;
    // Two of the same level make one of the next, so the stack has few entries.
    while (top > STACK && load<u32>(top - 4) === level) {
      top -= ENTRY;
      const before = load<u32>(top);
      merge(before, start, end);
      start = before;
      level++;
    }
    store<u32>(top, start);
    store<u32>(top + 4, end);
    store<u32>(top + 8, level);
    top += ENTRY;
    at = end;
  }
  while (top > STACK + ENTRY) {
    top -= ENTRY;
    merge(load<u32>(top - ENTRY), load<u32>(top), load<u32>(top + 4));
    store<u32>(top - ENTRY + 4, load<u32>(top + 4));
  }
}

/** Makes a sorted sequence that starts at `from`; returns its end. */
function sequence(from: u32, to: u32): u32 {
  let end = from + 4;
  if (end >= to) return end;
  if (isAfter(load<u32>(from), load<u32>(end))) {
    while (end < to && isAfter(load<u32>(end - 4), load<u32>(end))) end += 4;
    reverse(from, end);
  } else {
    while (end < to && !isAfter(load<u32>(end - 4), load<u32>(end))) end += 4;
  }
  const least = min(from + (LEAST << 2), to);
  for (; end < least; end += 4) {
    const row = load<u32>(end);
    let at = end;
    for (; at > from && isAfter(load<u32>(at - 4), row); at -= 4) store<u32>(at, load<u32>(at - 4));
    store<u32>(at, row);
  }
  return end;
}

function reverse(from: u32, to: u32): void {
  for (let low = from, high = to - 4; low < high; low += 4, high -= 4) {
    const row = load<u32>(low);
    store<u32>(low, load<u32>(high));
    store<u32>(high, row);
  }
}

/** Merges two sorted sequences, of which the second starts at `middle`. The shorter one is moved away. */
function merge(from: u32, middle: u32, to: u32): void {
  if (!isAfter(load<u32>(middle - 4), load<u32>(middle))) return;
  if (middle - from <= to - middle) mergeUp(from, middle, to);
  else mergeDown(from, middle, to);
}

function mergeUp(from: u32, middle: u32, to: u32): void {
  memory.copy(scratch, from, middle - from);
  const leftEnd = scratch + (middle - from);
  let left = scratch;
  let right = middle;
  let at = from;
  while (left < leftEnd && right < to) {
    const a = load<u32>(left);
    const b = load<u32>(right);
    if (isAfter(a, b)) {
      store<u32>(at, b);
      right += 4;
    } else {
      store<u32>(at, a);
      left += 4;
    }
    at += 4;
  }
  memory.copy(at, left, leftEnd - left);
}

function mergeDown(from: u32, middle: u32, to: u32): void {
  memory.copy(scratch, middle, to - middle);
  let left = middle;
  let right = scratch + (to - middle);
  let at = to;
  while (left > from && right > scratch) {
    const a = load<u32>(left - 4);
    const b = load<u32>(right - 4);
    at -= 4;
    if (isAfter(a, b)) {
      store<u32>(at, a);
      left -= 4;
    } else {
      store<u32>(at, b);
      right -= 4;
    }
  }
  memory.copy(at - (right - scratch), scratch, right - scratch);
}

function isAfter(a: u32, b: u32): bool {
  let x = keys + a * keyBytes;
  let y = keys + b * keyBytes;
  for (const end = x + keyBytes; x < end; x += 4, y += 4) {
    const first = load<u32>(x);
    const second = load<u32>(y);
    if (first !== second) return first > second;
  }
  return false;
}
