/** Binary search. */

/** Returns the last index, up to `last`, whose value is at most `limit`; 0 if there is none. The values must ascend. */
export function lastAtMost(values: number[], limit: number, last: number): number {
  let low = 0;
  let high = last;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (values[middle]! <= limit) low = middle;
    else high = middle - 1;
  }
  return low;
}
