/** Writes values in COPY's byte order, and reads digits. */

export function put16(at: u32, value: u32): void {
  store<u16>(at, bswap<u16>(value as u16));
}

export function put32(at: u32, value: i32): void {
  store<i32>(at, bswap<i32>(value));
}

export function put64(at: u32, value: i64): void {
  store<i64>(at, bswap<i64>(value));
}

/** Returns the digit at an address; a number above 9 for another character. */
export function digitAt(at: u32): u32 {
  return (load<u8>(at) as u32) - 0x30;
}

/** Returns two digits; at least 1000 for other characters. */
export function twoDigits(at: u32): u32 {
  const high = digitAt(at);
  const low = digitAt(at + 1);
  return high <= 9 && low <= 9 ? high * 10 + low : 1000;
}

/** Whether eight bytes are digits. */
export function areDigits(word: u64): bool {
  const high = word & 0xf0f0f0f0f0f0f0f0;
  const carried = (word + 0x0606060606060606) & 0xf0f0f0f0f0f0f0f0;
  return (high | (carried >> 4)) === 0x3333333333333333;
}

/** Returns the number of eight digits, the first of which is the lowest byte. */
export function eightDigits(word: u64): u64 {
  const pairs = (word - 0x3030303030303030) * 10 + ((word - 0x3030303030303030) >> 8);
  const upper = (pairs & 0x000000ff000000ff) * 0x000f424000000064;
  const lower = ((pairs >> 16) & 0x000000ff000000ff) * 0x0000271000000001;
  return (upper + lower) >> 32;
}

/** Copies bytes, 16 at a time: up to 15 bytes after `to + length` are overwritten. */
export function copyBytes(to: u32, from: u32, length: u32): void {
  if (length > 256) {
    memory.copy(to, from, length);
    return;
  }
  for (let at: u32 = 0; at < length; at += 16) v128.store(to + at, v128.load(from + at));
}
