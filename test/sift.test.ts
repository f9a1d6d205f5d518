import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sift } from '../src/copy/sift.ts';
import { ConnectorError } from '../src/errors.ts';
import type { RowSet } from '../src/formats/format.ts';
import { seeded } from './support/random.ts';

/** COPY's error for a bad row: with its line, or, as for a foreign key, without. */
type Kind = 'good' | 'named' | 'unnamed';

/** Sifts rows of one line each; an attempt fails at the first named row, or else if any is unnamed. */
async function run(kinds: Kind[]) {
  const refused: number[] = [];
  const taken: number[] = [];
  let attempts = 0;
  const rows = { count: kinds.length, rowAt: (line: number) => line - 1 } as RowSet;
  const attempt = async (start: number, end: number, without: number[]) => {
    attempts++;
    const tried = kinds
      .map((_, row) => row)
      .slice(start, end)
      .filter((row) => !without.includes(row));
    assert.ok(tried.length > 0);
    const named = tried.find((row) => kinds[row] === 'named');
    // A line outside the rows, because without a line only PostgreSQL's own error is caused by a row.
    if (named !== undefined) throw new ConnectorError('bad_value', 'bad', { line: named + 1 });
    if (tried.some((row) => kinds[row] === 'unnamed'))
      throw new ConnectorError('bad_value', 'bad', { line: -1 });
    taken.push(...tried);
  };
  await sift(rows, attempt, async (row) => void refused.push(row));
  return { taken, refused, attempts };
}

test('every row is accepted once or refused once, in order, wherever the bad ones are', async () => {
  const random = seeded(20260101);
  for (let round = 0; round < 800; round++) {
    const [bad, named] = [random(101), random(101)];
    const kinds = Array.from(
      { length: random(150) },
      (): Kind => (random(100) >= bad ? 'good' : random(100) < named ? 'named' : 'unnamed'),
    );
    const { taken, refused } = await run(kinds);
    const rowsOf = (isGood: boolean) =>
      kinds.flatMap((kind, row) => ((kind === 'good') === isGood ? [row] : []));
    assert.deepEqual(taken, rowsOf(true));
    assert.deepEqual(refused, rowsOf(false));
  }
});

test('a bad row costs one attempt if all are bad, whether or not the error names it', async () => {
  for (const kind of ['named', 'unnamed'] as const) {
    const { attempts } = await run(new Array(5000).fill(kind));
    assert.ok(attempts < 5050, `${attempts} attempts`);
  }
});
