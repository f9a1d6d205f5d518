import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openWorld } from '../support/world.ts';
import { differences, importAndCopy, startWorker, WAYS } from './harness.ts';
import { largeGroups, trapGroups } from './traps.ts';

// Each file goes through the worker, and through COPY with the same options: the rows, or the refusals, must be equal.

const world = await openWorld();
const GROUPS = [...trapGroups({}), ...largeGroups()];
/** A column that the worker adds to each row: by the copy of the bytes, or by the encoder. */
const WITH_FILE_ID = trapGroups({ file_id_column: 'file_id' }, true).filter(({ bare }) => !bare);
const FILE_ID_WAYS = ['as bytes', 'encoded'];

for (const [name, way] of Object.entries(WAYS)) {
  test(`files with difficult syntax are imported as COPY imports them, ${name}`, async () => {
    const worker = await startWorker(world, way);
    const groups = FILE_ID_WAYS.includes(name) ? [...GROUPS, ...WITH_FILE_ID] : GROUPS;
    const results = await importAndCopy(world, groups, way);
    assert.deepEqual(differences(results), []);
    await worker.end('SIGTERM');
  });
}
