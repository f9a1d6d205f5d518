/** The "backoff" between tries: a wait that doubles up to a limit, with jitter. */

export interface Backoff {
  /** The wait after the first failure, in milliseconds. */
  firstMs: number;
  /** The limit, before jitter, in milliseconds. */
  longestMs: number;
}

/**
 * Returns how long to wait before the next try, in milliseconds.
 * @param earlier failures before the last one
 */
export function backoffMs({ firstMs, longestMs }: Backoff, earlier: number): number {
  // Half to one and a half times the wait, so that clients that failed together do not come back together.
  const jitter = 0.5 + Math.random();
  return Math.min(firstMs * 2 ** earlier, longestMs) * jitter;
}
