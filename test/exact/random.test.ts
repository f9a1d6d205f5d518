import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { check } from '../csv/random_csv.ts';
import { openWorld } from '../support/world.ts';
import { differences, importAndCopy, startWorker, WAYS } from './harness.ts';
import { randomGroups } from './random_files.ts';

const world = await openWorld();

for (const [name, way] of Object.entries(WAYS)) {
  test(`random tables and files are imported as COPY imports them, ${name}`, async (t) => {
    const worker = await startWorker(world, way);
    let taken = 0;
    let refused = 0;
    // Many tables in each round, because a worker imports them in parallel; a failure is reduced to one table.
    await check(2, fc.array(randomGroups, { minLength: 40, maxLength: 40, size: 'max' }), async (groups) => {
      const results = await importAndCopy(world, groups, way);
      for (const { copy } of results) copy.rows === null ? refused++ : taken++;
      assert.deepEqual(differences(results), []);
    });
    t.diagnostic(`${taken} files taken, ${refused} refused`);
    assert.ok(taken > 25 && refused > 25, 'files are too good, or too bad');
    await worker.end('SIGTERM');
  });
}
