/** Powers of ten as binary fractions, which the kernel needs to parse floats. They are computed, because nobody can proofread such a table. */

const BITS = 128n;

/**
 * Returns the first 128 bits of 10^power. They are cut off for powers from 0 on, and one more than cut off for negative
 * powers, which are never exact.
 */
export function firstBits(power: number): bigint {
  // A factor of two changes no bits.
  const five = 5n ** BigInt(Math.abs(power));
  const length = BigInt(five.toString(2).length);
  if (power >= 0) return length <= BITS ? five << (BITS - length) : five >> (length - BITS);
  // The quotient is between 2^127 and 2^128.
  return (1n << (length + BITS - 1n)) / five + 1n;
}
