/** Waits that end early: with an abort, or with a limit of time. */
import { setTimeout as delay } from 'node:timers/promises';
import { follow } from './abortable.ts';

/** Waits for this time, in milliseconds, or until the signal is aborted. */
export async function waitOrAbort(ms: number, signal: AbortSignal): Promise<void> {
  await delay(ms, undefined, { signal }).catch(() => {});
}

/** Runs a function at an interval, in milliseconds, until the signal is aborted. The first run is after the first interval. */
export async function repeatUntilAborted(
  ms: number,
  signal: AbortSignal,
  run: () => Promise<void>,
): Promise<void> {
  for (;;) {
    await waitOrAbort(ms, signal);
    if (signal.aborted) return;
    await run();
  }
}

/** Returns the answer. If it has not come this time, in milliseconds, after the signal was aborted, throws the signal's reason. */
export async function withinGrace<T>(signal: AbortSignal, ms: number, answer: Promise<T>): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  let timer: NodeJS.Timeout | undefined;
  const begin = () => {
    timer = setTimeout(() => reject(signal.reason), ms);
  };
  if (signal.aborted) begin();
  else signal.addEventListener('abort', begin, { once: true });
  try {
    return await Promise.race([answer, late]);
  } finally {
    signal.removeEventListener('abort', begin);
    clearTimeout(timer);
  }
}

/** Returns the answer, or throws the error of `late` after this time, in milliseconds. */
export async function withinTime<T>(ms: number, answer: Promise<T>, late: () => Error): Promise<T> {
  // The loser of the race may fail later, which must not end the process.
  answer.catch(() => {});
  const over = new AbortController();
  const timeout = delay(ms, undefined, { signal: over.signal }).then(() => {
    throw late();
  });
  timeout.catch(() => {});
  return await Promise.race([answer, timeout]).finally(() => over.abort());
}

/**
 * Returns the answer of a request, whose signal is aborted after this time, in milliseconds, or by the caller. Its timer is cleared
 * when the request ends: one of AbortSignal.timeout cannot be.
 */
export async function withTimeout<T>(
  ms: number,
  caller: AbortSignal | undefined,
  request: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(), ms);
  const unfollow = caller && follow(caller, stop);
  try {
    return await request(stop.signal);
  } finally {
    clearTimeout(timer);
    unfollow?.();
  }
}
