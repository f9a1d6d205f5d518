import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { BATCH_BYTES, BATCH_ROWS } from '../../src/formats/batch_limits.ts';
import { type RecordBatch, readBatches } from '../../src/formats/csv/batches.ts';
import { check, chunkSizes, dialectOf, inChunks } from './random_csv.ts';

const DIALECT = dialectOf({ delimiter: ',', quote: '"', escape: '"' });

/** @param sizes of the chunks, in turn */
async function batchesOf(text: string, sizes: number[]): Promise<RecordBatch[]> {
  const options = { maxRowBytes: 1000, expectedFields: 2, lineOffset: 1 };
  return await Array.fromAsync(readBatches(inChunks(Buffer.from(text), sizes), DIALECT, options));
}

/** Each record with its line, and its number of fields if that is wrong. */
function recordsOf(batches: RecordBatch[]) {
  return batches.flatMap(({ bytes, offsets, lines, ragged }) =>
    offsets
      .slice(1)
      .map((end, i) => [bytes.subarray(offsets[i], end).toString(), lines[i], ragged.get(i)] as const),
  );
}

test('short records end a batch by their number, wherever the chunks end', async () => {
  const records = ['\n', '1\n', '1,2\n', '"a\nb",2\n', '1,2,3\n'];
  const fields = [1, 1, undefined, undefined, 3];
  const count = 2 * BATCH_ROWS + 7;
  const text = Array.from({ length: count }, (_, i) => records[i % 5]).join('');
  await check(5, fc.tuple(chunkSizes, fc.constantFrom(60_000, 65_536, 1 << 20)), async ([sizes, more]) => {
    const batches = await batchesOf(text, [...sizes, more]);
    assert.deepEqual(
      batches.map(({ offsets }) => offsets.length - 1),
      [BATCH_ROWS, BATCH_ROWS, 7],
    );
    let line = 2;
    for (const [i, [record, at, ragged]] of recordsOf(batches).entries()) {
      if (record !== records[i % 5] || at !== line || ragged !== fields[i % 5])
        assert.fail(`record ${i}: ${JSON.stringify([record, at, ragged])}, expected at line ${line}`);
      line += i % 5 === 3 ? 2 : 1;
    }
  });
});

test('long records end a batch by their bytes', async () => {
  const record = `1,${'x'.repeat(997)}\n`;
  const batches = await batchesOf(record.repeat(10_000), [65_536]);
  assert.ok(batches.length > 1);
  for (const { offsets } of batches.slice(0, -1)) assert.ok(offsets.at(-1)! >= BATCH_BYTES);
  assert.equal(recordsOf(batches).filter(([text]) => text === record).length, 10_000);
});
