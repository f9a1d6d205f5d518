import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { SpooledFile } from '../../src/fetch/spooled_file.ts';
import { EncoderThread } from '../../src/formats/encoder/encoder_thread.ts';
import { dialectOf } from './random_csv.ts';
import { planOf } from './section_plan.ts';

const directory = await mkdtemp(join(tmpdir(), 's3-connector-encoder-'));
after(() => rm(directory, { recursive: true, force: true }));

const PLAN = planOf(dialectOf(), ['integer'], 'on', { maxRowBytes: 1 << 20 });
const REQUEST = {
  limits: { maxExpandedBytes: 1e9 },
  entry: 0,
  work: { format: 'csv' as const, plan: PLAN },
};

test('a download that failed before a thread reads the file fails the reading, and the thread stays usable', async () => {
  const path = join(directory, 'failed.csv');
  await writeFile(path, '1\n2\n');
  // While a file waits for a thread, nobody reads it.
  const failed = new SpooledFile({ path, sizeBytes: 8, available: 4 });
  failed.fail(new Error('the connection broke'));
  const encoder = new EncoderThread();
  try {
    await assert.rejects(Array.fromAsync(encoder.read(failed, REQUEST)), /the connection broke/);
    const whole = new SpooledFile({ path, sizeBytes: 4, available: 4 });
    const sections = await Array.fromAsync(encoder.read(whole, REQUEST));
    assert.deepEqual([encoder.usable, sections.map(({ rows }) => rows)], [true, [2]]);
  } finally {
    await encoder.kill();
  }
});
