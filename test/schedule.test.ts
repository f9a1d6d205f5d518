import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nextRun } from '../src/schedule.ts';

const from = new Date('2026-11-24T10:17:30Z');

for (const [schedule, next] of [
  ['minute', '2026-11-24T10:18:00.000Z'],
  ['hour', '2026-11-24T11:00:00.000Z'],
  ['@always', '2026-11-24T10:18:00.000Z'],
  ['@hourly', '2026-11-24T11:00:00.000Z'],
  ['@daily', '2026-11-25T00:00:00.000Z'],
  ['@weekly', '2026-11-29T00:00:00.000Z'],
  ['@monthly', '2026-12-01T00:00:00.000Z'],
  ['@yearly', '2027-01-01T00:00:00.000Z'],
  ['*/5 * * * *', '2026-11-24T10:20:00.000Z'],
  ['30 6 * * 1', '2026-11-30T06:30:00.000Z'],
  ['0 0 29 2 *', '2028-02-29T00:00:00.000Z'],
  ['0 0 * * 7', '2026-11-29T00:00:00.000Z'],
] as const) {
  test(`${schedule} is next due at ${next}`, () =>
    assert.equal(nextRun(schedule, from)?.toISOString(), next));
}

test('a date that does not exist is never due', () => assert.equal(nextRun('0 0 30 2 *', from), null));
