import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { LONGEST_WAIT_MS } from './until.ts';

/** The body of a worker's /healthz. */
export interface Health {
  healthy: boolean;
  checks: Record<'database' | 'lock' | 'queue', string>;
}

/** Asks a worker once for its health. */
export async function healthOf(port: unknown): Promise<{ status: number; health: Health }> {
  const answer = await fetch(`http://127.0.0.1:${port}/healthz`);
  return { status: answer.status, health: (await answer.json()) as Health };
}

/**
 * Waits until a worker answers with the status and its checks match the pattern; an error shows the last answer.
 * @param pattern is matched against the checks as JSON
 */
export async function untilHealth(port: unknown, expected: number, pattern = /^/): Promise<Health> {
  for (const deadline = Date.now() + LONGEST_WAIT_MS; ; await delay(50)) {
    const { status, health } = await healthOf(port);
    if (status === expected && pattern.test(JSON.stringify(health.checks))) return health;
    assert.ok(Date.now() < deadline, `last answer: ${status} ${JSON.stringify(health)}`);
  }
}
