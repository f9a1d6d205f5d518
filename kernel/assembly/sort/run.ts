/**
 * The "sort kernel". It holds a "run", rows of COPY's binary format without header and trailer, and returns them segment by
 * segment, each in its order. See layout.ts for the memory.
 */
import { copyBytes } from '../bytes';
import { keyBytes, putKey, useOrder } from './keys';
import { FIELDS, FULL_BYTES, OUTPUT, OUTPUT_BYTES, REGIONS } from './layout';
import { sort, useMemory } from './merge_sort';
import * as segments from './segments';

export * from './layout';

/** A row's start, its segment, and twice its number while it is sorted. */
const BYTES_OF_ROW: u32 = 4 * 4;
/** The number of fields, and the length of one. */
const SHORTEST_ROW: u32 = 6;
/** No row ends at this address. */
const INCOMPLETE: u32 = 0;
/** The longest row that is gathered with others. */
const SHORT_BYTES: u32 = OUTPUT_BYTES - FULL_BYTES - 16;

/** The end of the rows that were added, and their number. */
export let filled: u32 = 0;
export let rows: u32 = 0;
/** The first and the last time of the rows. */
export let firstTime: i64 = i64.MAX_VALUE;
export let lastTime: i64 = i64.MIN_VALUE;
/** After `gather`: where the sorted rows are, and how many. */
export let gathered: u32 = 0;
export let gatheredRows: u32 = 0;

/** See `setLimit`. */
let limit: u32 = 0;
let slack: u32 = 0;
let timeField: u32 = 0;
let endsBetweenTimes: bool = false;
let timeOfLast: i64 = 0;
let mostRows: u32 = 0;
let starts: u32 = 0;
let segmentOf: u32 = 0;
let keys: u32 = 0;
let index: u32 = 0;
let scratch: u32 = 0;
let data: u32 = 0;
/** The next row to gather, the end of its segment, and that segment, as addresses in `index`. */
let next: u32 = 0;
let segmentEnd: u32 = 0;
let segment: u32 = 0;

/**
 * Prepares for rows in another order, which the host has written to ORDER_BY and SEGMENT_BY. `clear` must follow, when the
 * memory is large enough.
 * @param memoryOfRows how much memory the rows may take at most
 * @returns the address of the first row
 */
export function prepare(
  orderFields: u32,
  segmentFields: u32,
  time: u32,
  timeFirst: bool,
  memoryOfRows: u32,
): u32 {
  useOrder(orderFields);
  segments.useFields(segmentFields);
  timeField = time;
  endsBetweenTimes = timeFirst;
  mostRows = memoryOfRows / (BYTES_OF_ROW + keyBytes + SHORTEST_ROW) + 1;
  starts = REGIONS;
  segmentOf = starts + (mostRows + 1) * 4;
  keys = segmentOf + mostRows * 4;
  index = keys + mostRows * keyBytes;
  scratch = index + mostRows * 4;
  useMemory(keys, scratch);
  data = segments.useMemory(scratch + mostRows * 4, mostRows);
  return data;
}

/** Sets how much memory the rows may take, and how much more if that ends the run between two times. */
export function setLimit(bytes: u32, more: u32): void {
  limit = bytes;
  slack = more;
}

/** Forgets the rows. */
export function clear(): void {
  filled = data;
  rows = 0;
  firstTime = i64.MAX_VALUE;
  lastTime = i64.MIN_VALUE;
  segments.clear();
}

/**
 * Adds the whole rows from `filled` to `end`, until the run is full; returns whether it is. `filled` is then the first row
 * that was not added.
 */
export function add(end: u32): bool {
  while (filled < end) {
    const rowEnd = findFields(filled, end);
    if (rowEnd === INCOMPLETE) break;
    const time = readTime();
    if (isFull(time)) return true;
    store<u32>(starts + (rows << 2), filled);
    store<u32>(segmentOf + (rows << 2), segments.countRow(FIELDS));
    putKey(FIELDS, keys + rows * keyBytes);
    if (time < firstTime) firstTime = time;
    if (time > lastTime) lastTime = time;
    timeOfLast = time;
    rows++;
    filled = rowEnd;
  }
  return false;
}

/** Whether the next row must go into the next run. */
function isFull(time: i64): bool {
  if (rows === 0) return false;
  const used = filled - data + rows * (BYTES_OF_ROW + keyBytes) + segments.bytes();
  if (used < limit) return rows === mostRows;
  // Rows of one time in two runs could overlap.
  return !endsBetweenTimes || time !== timeOfLast || used - limit >= slack || rows === mostRows;
}

/** Puts the addresses of a row's fields into FIELDS. Returns the end of the row; INCOMPLETE if that is after `end`. */
function findFields(start: u32, end: u32): u32 {
  if (start + 2 > end) return INCOMPLETE;
  const count = bswap<u16>(load<u16>(start)) as u32;
  let at = start + 2;
  for (let to = FIELDS, fieldsEnd = FIELDS + (count << 2); to < fieldsEnd; to += 4) {
    store<u32>(to, at);
    if (at + 4 > end) return INCOMPLETE;
    const length = bswap<u32>(load<u32>(at)) as i32;
    at += length < 0 ? 4 : 4 + (length as u32);
  }
  return at > end ? INCOMPLETE : at;
}

function readTime(): i64 {
  const at = load<u32>(FIELDS + (timeField << 2));
  const length = bswap<u32>(load<u32>(at)) as i32;
  if (length === 8) return bswap<u64>(load<u64>(at + 4)) as i64;
  if (length === 4) return bswap<u32>(load<u32>(at + 4)) as i32 as i64;
  return length === 2 ? (bswap<u16>(load<u16>(at + 4)) as i16 as i64) : 0;
}

/** Orders the rows by their segments, before `gather`. */
export function startGathering(): void {
  store<u32>(starts + (rows << 2), filled);
  let at = index;
  // The end of each segment so far. The sort needs its scratch only later.
  const ends = scratch;
  for (let i: u32 = 0; i < segments.count; i++) {
    store<u32>(ends + (i << 2), at);
    at += segments.rowsOf(i) << 2;
  }
  for (let row: u32 = 0; row < rows; row++) {
    const end = ends + (load<u32>(segmentOf + (row << 2)) << 2);
    const to = load<u32>(end);
    store<u32>(to, row);
    store<u32>(end, to + 4);
  }
  next = index;
  segmentEnd = index;
  segment = 0;
}

/** Gathers the next rows, and sets `gathered` and `gatheredRows`; returns their bytes, 0 after the last. */
export function gather(): u32 {
  const indexEnd = index + (rows << 2);
  let to = OUTPUT;
  gathered = OUTPUT;
  gatheredRows = 0;
  while (next < indexEnd) {
    if (next === segmentEnd) sortNextSegment();
    const start = startOf(next);
    const length = endOf(next) - start;
    if (length > SHORT_BYTES) {
      if (gatheredRows > 0) break;
      gathered = start;
      gatheredRows = 1;
      next += 4;
      return length;
    }
    if (to - OUTPUT >= FULL_BYTES) break;
    copyBytes(to, start, length);
    to += length;
    gatheredRows++;
    next += 4;
  }
  return to - OUTPUT;
}

function sortNextSegment(): void {
  segmentEnd += segments.rowsOf(segment) << 2;
  segment++;
  sort(next, segmentEnd);
}

function startOf(at: u32): u32 {
  return load<u32>(starts + (load<u32>(at) << 2));
}

function endOf(at: u32): u32 {
  return load<u32>(starts + ((load<u32>(at) + 1) << 2));
}
