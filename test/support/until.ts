import { setTimeout as delay } from 'node:timers/promises';

/** How long tests wait for what must happen. It is no claim about speed: a busy machine is slow. */
export const LONGEST_WAIT_MS = 300_000;

/** Waits until the condition holds; the error on time-out says what did not happen. */
export async function until(what: string, holds: () => unknown): Promise<void> {
  for (const deadline = Date.now() + LONGEST_WAIT_MS; !(await holds()); await delay(20)) {
    if (Date.now() > deadline) throw new Error(`waited ${LONGEST_WAIT_MS} ms, but not until ${what}`);
  }
}
