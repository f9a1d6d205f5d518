/** Numbers the "segments" of rows: all rows with the same values of some fields. */
import { SEGMENT_BY } from './layout';

const PRIME: u64 = 0x9e3779b97f4a7c15;
const FIRST_SLOTS: u32 = 1 << 10;
/** A segment has at most four slots. */
const SLOTS_BYTES: u32 = 4 * 4;
const NONE: u32 = u32.MAX_VALUE;

/** The number of segments so far. */
export let count: u32 = 0;

/** Of each slot: 0, or the segment's number plus one. */
let slots: u32 = 0;
let slotCount: u32 = FIRST_SLOTS;
/** Of each segment: its hash, the number of its rows, and the addresses of the fields in its first row. */
let records: u32 = 0;
let recordBytes: u32 = 0;
let fields: u32 = 0;
/** Consecutive rows are often of one segment. */
let last: u32 = NONE;

/** Returns how many bytes the slots may need. */
function slotBytes(mostSegments: u32): u32 {
  let most = FIRST_SLOTS;
  while (most < mostSegments * 2) most *= 2;
  return most * 4;
}

/** @param fieldCount the number of fields at SEGMENT_BY */
export function useFields(fieldCount: u32): void {
  fields = fieldCount;
  recordBytes = 8 + 4 * fields;
}

/** @returns the end of the records */
export function useMemory(slotsAt: u32, mostSegments: u32): u32 {
  slots = slotsAt;
  records = slots + slotBytes(mostSegments);
  return records + mostSegments * recordBytes;
}

/** The rows of the segments are used no more. */
export function clear(): void {
  count = 0;
  slotCount = FIRST_SLOTS;
  memory.fill(slots, 0, slotCount * 4);
  last = NONE;
}

/** Returns how much memory the segments take, at most. */
export function bytes(): u32 {
  return count * (SLOTS_BYTES + recordBytes);
}

/** Returns the segment's number of rows. */
export function rowsOf(segment: u32): u32 {
  return load<u32>(records + segment * recordBytes + 4);
}

/** Counts a row whose fields are at the addresses in `positions`; returns its segment. */
export function countRow(positions: u32): u32 {
  if (last === NONE || !isEqual(last, positions)) last = find(positions);
  const rows = records + last * recordBytes + 4;
  store<u32>(rows, load<u32>(rows) + 1);
  return last;
}

function find(positions: u32): u32 {
  const hash = hashOf(positions);
  const mask = slotCount - 1;
  let slot = hash & mask;
  let found = load<u32>(slots + (slot << 2));
  while (found !== 0) {
    const segment = found - 1;
    if (load<u32>(records + segment * recordBytes) === hash && isEqual(segment, positions)) return segment;
    slot = (slot + 1) & mask;
    found = load<u32>(slots + (slot << 2));
  }
  return add(slot, hash, positions);
}

function add(slot: u32, hash: u32, positions: u32): u32 {
  const record = records + count * recordBytes;
  store<u32>(record, hash);
  store<u32>(record + 4, 0);
  for (let i: u32 = 0; i < fields; i++) store<u32>(record + 8 + (i << 2), fieldAt(positions, i));
  store<u32>(slots + (slot << 2), ++count);
  if (count * 2 > slotCount) growSlots();
  return count - 1;
}

function growSlots(): void {
  slotCount *= 2;
  memory.fill(slots, 0, slotCount * 4);
  const mask = slotCount - 1;
  for (let segment: u32 = 0; segment < count; segment++) {
    let slot = load<u32>(records + segment * recordBytes) & mask;
    while (load<u32>(slots + (slot << 2)) !== 0) slot = (slot + 1) & mask;
    store<u32>(slots + (slot << 2), segment + 1);
  }
}

function isEqual(segment: u32, positions: u32): bool {
  const addresses = records + segment * recordBytes + 8;
  for (let i: u32 = 0; i < fields; i++) {
    const first = load<u32>(addresses + (i << 2));
    const other = fieldAt(positions, i);
    const length = lengthOf(other);
    // The lengths are the first bytes.
    if (!areEqual(first, other, length)) return false;
  }
  return true;
}

function areEqual(a: u32, b: u32, length: u32): bool {
  let i: u32 = 0;
  for (; i + 8 <= length; i += 8) if (load<u64>(a + i) !== load<u64>(b + i)) return false;
  for (; i < length; i++) if (load<u8>(a + i) !== load<u8>(b + i)) return false;
  return true;
}

function hashOf(positions: u32): u32 {
  let hash: u64 = PRIME;
  for (let i: u32 = 0; i < fields; i++) {
    const from = fieldAt(positions, i);
    const end = from + lengthOf(from);
    let at = from;
    for (; at + 8 <= end; at += 8) hash = mix(hash ^ load<u64>(at));
    if (at < end) hash = mix(hash ^ (load<u64>(at) & (((1 as u64) << ((end - at) << 3)) - 1)));
  }
  return (hash ^ (hash >>> 32)) as u32;
}

function mix(word: u64): u64 {
  const product = word * PRIME;
  return product ^ (product >>> 29);
}

function fieldAt(positions: u32, i: u32): u32 {
  return load<u32>(positions + (load<u32>(SEGMENT_BY + (i << 2)) << 2));
}

/** Returns the length of a field with the four bytes that say it. */
function lengthOf(at: u32): u32 {
  const length = bswap<u32>(load<u32>(at)) as i32;
  return length < 0 ? 4 : 4 + (length as u32);
}
