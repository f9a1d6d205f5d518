import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openWorld } from '../support/world.ts';
import { differences, importAndCopy, startWorker, WAYS } from './harness.ts';
import { largeGroups, trapGroups } from './traps.ts';

// Each file goes through the worker, and through COPY with the same options: the rows, or the refusals, must be equal.

const world = await openWorld();
const GROUPS = [
  ...trapGroups({}),
  ...trapGroups({ file_id_column: 'file_id' }, true).filter(({ bare }) => !bare),
  ...largeGroups(),
];

for (const [name, way] of Object.entries(WAYS)) {
  test(`files with difficult syntax are imported as COPY imports them, ${name}`, async () => {
    const worker = await startWorker(world, way);
    const results = await importAndCopy(world, GROUPS, way);
    assert.deepEqual(differences(results), []);
    await worker.end('SIGTERM');
  });
}
