import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { AttemptSignal } from '../../src/import/attempt_signal.ts';

const { signal: shutdown } = new AbortController();

test('the time of an attempt begins by itself', async () => {
  const { signal } = new AttemptSignal(shutdown, 1);
  await once(signal, 'abort');
  assert.equal(signal.reason.code, 'import_timeout');
});

test('an attempt that waits for others of its bundle has its whole time from startClock on', async () => {
  const waiting = new AttemptSignal(shutdown, 1, { waits: true });
  await once(new AttemptSignal(shutdown, 20).signal, 'abort');
  assert.equal(waiting.signal.aborted, false);
  waiting.startClock();
  await once(waiting.signal, 'abort');
  assert.equal(waiting.signal.reason.code, 'import_timeout');
});
