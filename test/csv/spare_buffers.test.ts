import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { SpooledFile } from '../../src/fetch/spooled_file.ts';
import type { Section } from '../../src/formats/csv/binary/sections.ts';
import { EncoderThread } from '../../src/formats/encoder/encoder_thread.ts';
import { BUFFER_BYTES } from '../../src/formats/spare_buffers.ts';
import { whenWritten, written } from '../../src/written_buffers.ts';
import { openWorld } from '../support/world.ts';
import { dialectOf } from './random_csv.ts';
import { planOf } from './section_plan.ts';

// Buffers of encoded rows go back to the encoder thread when a socket has written them, and never before.

const ROWS = 120_000;
const LINES = Array.from({ length: ROWS }, (_, i) => `${i},note ${i * 7}\n`).join('');
const directory = await mkdtemp(join(tmpdir(), 's3-connector-buffers-'));
after(() => rm(directory, { recursive: true, force: true }));

const PLAN = planOf(dialectOf(), ['integer', 'text'], 'on', { maxRowBytes: 1 << 20 });

for (const kernel of ['on', 'off'] as const) {
  test(`sections keep their bytes until they are written, and are gone after, with the kernel ${kernel}`, async () => {
    const path = join(directory, `${kernel}.csv`);
    await writeFile(path, LINES);
    const file = new SpooledFile({ path, sizeBytes: LINES.length, available: LINES.length });
    const encoder = new EncoderThread();
    const kept: { data: Uint8Array; copy: Buffer }[] = [];
    const all: Buffer[] = [];
    try {
      const work = { format: 'csv' as const, plan: { ...PLAN, kernel } };
      const request = { limits: { maxExpandedBytes: 1e9 }, entry: 0, work };
      let turn = 0;
      for await (const { data } of encoder.read<Section>(file, request)) {
        all.push(Buffer.from(data));
        if (turn++ % 3 === 0) {
          kept.push({ data, copy: all.at(-1)! });
        } else {
          written(data);
          assert.equal(data.length, 0);
        }
      }
    } finally {
      await encoder.kill();
    }
    assert.ok(kept.length > 3, `${kept.length} sections were kept`);
    for (const { data, copy } of kept) assert.ok(copy.equals(data));
    const rows = Buffer.concat(all);
    let at = 0;
    for (let i = 0; i < ROWS; i++) {
      assert.equal(rows.readInt32BE(at + 6), i);
      at += 14 + rows.readInt32BE(at + 10);
    }
    assert.equal(at, rows.length);
  });
}

test('a buffer that comes twice is not given back', () => {
  let calls = 0;
  const [once, twice] = [new Uint8Array(BUFFER_BYTES), new Uint8Array(BUFFER_BYTES)];
  for (const buffer of [once, twice, twice]) whenWritten(buffer, () => calls++);
  for (const buffer of [once, once, twice, twice]) written(buffer.subarray(0, 5));
  assert.equal(calls, 1);
});

test('a file of many sections arrives whole, twice in a sequence by the same thread', async () => {
  const world = await openWorld();
  await world.startWorker({ ENCODE_CSV_FROM_BYTES: '0', WORKER_CONCURRENCY: '1' });
  await world.db.query('create table many (n int, note text, file_id bigint)');
  for (const name of ['a', 'b']) world.put(`many/${name}.csv`, `n,note\n${LINES}`);
  await world.insertConnector({
    name: 'many',
    pattern: 'many/*',
    target_table: 'many',
    file_id_column: 'file_id',
  });
  const files = await world.settled('many');
  assert.deepEqual(
    files.map(({ status, error_message }) => [status, error_message]),
    [
      ['success', null],
      ['success', null],
    ],
  );
  const rows = await world.db.query(
    `select count(*)::int as rows, count(distinct n)::int as numbers, count(distinct file_id)::int as files,
        bool_and(note = 'note ' || n::bigint * 7) as right from many`,
  );
  assert.deepEqual(rows, [{ rows: 2 * ROWS, numbers: ROWS, files: 2, right: true }]);
});
