import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { check } from '../csv/random_csv.ts';
import { openWorld } from '../support/world.ts';
import { differences, importAndCopy, startWorker, WAYS } from './harness.ts';
import type { Outcome } from './oracle.ts';
import { randomTextGroups } from './random_text_files.ts';

const unplaced = (outcome: Outcome): Outcome =>
  outcome.rows === null
    ? { ...outcome, message: outcome.message.replace(/^line \d+(, column \w+)?: /, '') }
    : outcome;

const world = await openWorld();

for (const name of ['normalized', 'normalized and encoded']) {
  test(`random files in the text layout are imported as COPY imports its text format, ${name}`, async (t) => {
    const way = WAYS[name]!;
    const worker = await startWorker(world, way);
    let taken = 0;
    let refused = 0;
    await check(
      2,
      fc.array(randomTextGroups, { minLength: 40, maxLength: 40, size: 'max' }),
      async (groups) => {
        const results = await importAndCopy(world, groups, way);
        for (const { copy } of results) copy.rows === null ? refused++ : taken++;
        // COPY counts no newline after a backslash as the end of a line.
        const places = results.map(({ ours, copy, name }) => ({
          name,
          ours: unplaced(ours),
          copy: unplaced(copy),
        }));
        assert.deepEqual(differences(places), []);
      },
    );
    t.diagnostic(`${taken} files taken, ${refused} refused`);
    assert.ok(taken > 25 && refused > 25, 'files are too good, or too bad');
    await worker.end('SIGTERM');
  });
}
