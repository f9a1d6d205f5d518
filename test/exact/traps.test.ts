import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openWorld } from '../support/world.ts';
import { differences, importAndCopy, WAYS } from './harness.ts';
import { largeGroups, trapGroups } from './traps.ts';

// Each file goes through the worker, and through COPY with the same options: the rows, or the refusals, must be equal.

const world = await openWorld();
const GROUPS = [
  ...trapGroups({}),
  ...trapGroups({ file_id_column: 'file_id' }, true).filter(({ bare }) => !bare),
  ...largeGroups(),
];

for (const [way, env] of Object.entries(WAYS)) {
  test(`files with difficult syntax are imported as COPY imports them, ${way}`, async () => {
    const worker = await world.startWorker(env);
    const results = await importAndCopy(world, GROUPS);
    assert.deepEqual(differences(results), []);
    await worker.end('SIGTERM');
  });
}
