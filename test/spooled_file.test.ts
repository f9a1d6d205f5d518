import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { SpooledFile } from '../src/fetch/spooled_file.ts';

const MB = 1 << 20;

/** A file of 100 MB of which no byte has arrived. */
const spooled = () => new SpooledFile({ path: '-', sizeBytes: 100 * MB, available: 0 });

test('a fetch that is far ahead of its reader waits a moment, and never forever', async () => {
  const file = spooled();
  file.grow(16 * MB);
  assert.equal(file.farAhead, false);
  file.grow(17 * MB);
  assert.equal(file.farAhead, true, 'nobody has asked for so much');
  // Only for a moment: no other event is needed.
  await file.letCatchUp();
  await file.reach(10 * MB);
  assert.equal(file.farAhead, false);
  file.grow(60 * MB);
  assert.equal(file.farAhead, true);
  const whole = file.whole();
  assert.equal(file.farAhead, false, 'somebody waits for all of it');
  file.grow(100 * MB);
  await whole;
});

test('the end of a file can be read when it has arrived, or when all has', async () => {
  const file = spooled();
  const [small, large] = [file.reachTail(MB), file.reachTail(2 * MB)];
  file.setTail(99 * MB);
  await small;
  file.grow(40 * MB);
  // A part before these bytes is missing, so this reader waits for the whole file and delays no other.
  assert.equal(await Promise.race([large.then(() => true), setImmediate(false)]), false);
  assert.equal(file.farAhead, false);
  file.grow(99 * MB);
  await large;
  assert.equal(file.available, 100 * MB);
});
