import { setTimeout as delay } from 'node:timers/promises';

/** How long tests wait for what must happen. It is the end of patience, not a claim: a busy machine is slow. */
export const PATIENCE_MS = 300_000;

/** Waits until the condition holds; the error on time-out says what did not happen. */
export async function until(what: string, holds: () => unknown): Promise<void> {
  for (const deadline = Date.now() + PATIENCE_MS; !(await holds()); await delay(20)) {
    if (Date.now() > deadline) throw new Error(`waited ${PATIENCE_MS} ms in vain until ${what}`);
  }
}
