/** The "key" of a row: words of 32 bits that are compared as unsigned numbers, the first one first. */
import { FLOAT, ORDER_BY, ORDER_WORDS, SIGNED } from './layout';

const SIGN: u32 = 0x80000000;

let orderFields: u32 = 0;
/** The bytes of a key. */
export let keyBytes: u32 = 0;

/** @param fieldCount the number of fields at ORDER_BY */
export function useOrder(fieldCount: u32): void {
  orderFields = fieldCount;
  keyBytes = 0;
  for (let i: u32 = 0; i < orderFields; i++) keyBytes += 4 + (partOf(i, 2) << 2);
}

/** Writes the key of a row whose fields are at the addresses in `positions`: for each field whether it is null, and its value. */
export function putKey(positions: u32, key: u32): void {
  let to = key;
  for (let i: u32 = 0; i < orderFields; i++) {
    const at = load<u32>(positions + (partOf(i, 0) << 2));
    to = putField(at, partOf(i, 1), partOf(i, 2), partOf(i, 3) !== 0, partOf(i, 4) !== 0, to);
  }
}

function partOf(i: u32, part: u32): u32 {
  return load<u32>(ORDER_BY + ((i * ORDER_WORDS + part) << 2));
}

function putField(at: u32, form: u32, words: u32, descending: bool, nullsFirst: bool, to: u32): u32 {
  const length = bswap<u32>(load<u32>(at)) as i32;
  const isNull = length < 0;
  const end = to + 4 + (words << 2);
  store<u32>(to, isNull === nullsFirst ? 0 : 1);
  const first = to + 4;
  if (isNull) {
    memory.fill(first, 0, end - first);
    return end;
  }
  if (length >= 4) {
    for (let word = first; word < end; word += 4) store<u32>(word, bswap<u32>(load<u32>(at + word - to)));
  } else {
    const short = load<u8>(at + 4) as u32;
    store<u32>(first, length === 2 ? (short << 24) | ((load<u8>(at + 5) as u32) << 16) : short);
  }
  if (form === SIGNED) store<u32>(first, load<u32>(first) ^ SIGN);
  else if (form === FLOAT) putFloatOrder(first, words);
  if (descending) for (let word = first; word < end; word += 4) store<u32>(word, ~load<u32>(word));
  return end;
}

/** Turns the bits of a float into words whose order is PostgreSQL's: NaN is the highest value, and both zeros are equal. */
function putFloatOrder(at: u32, words: u32): void {
  const high = load<u32>(at);
  const low = words === 2 ? load<u32>(at + 4) : 0;
  const infinity: u32 = words === 2 ? 0x7ff00000 : 0x7f800000;
  const size = high & 0x7fffffff;
  if (size > infinity || (size === infinity && low !== 0)) {
    memory.fill(at, 0xff, words << 2);
  } else if (high >= SIGN && (size !== 0 || low !== 0)) {
    store<u32>(at, ~high);
    if (words === 2) store<u32>(at + 4, ~low);
  } else {
    store<u32>(at, size | SIGN);
  }
}
