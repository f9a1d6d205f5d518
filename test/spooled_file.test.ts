import assert from 'node:assert/strict';
import { appendFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { SpooledFile } from '../src/fetch/spooled_file.ts';

const MB = 1 << 20;
const directory = await mkdtemp(join(tmpdir(), 's3-connector-spooled-'));
after(() => rm(directory, { recursive: true, force: true }));

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

test('a file is whole when its end arrives last', async () => {
  const file = spooled();
  const whole = file.whole();
  file.grow(99 * MB);
  assert.equal(file.available, 99 * MB);
  file.setTail(99 * MB);
  await whole;
  assert.equal(file.available, 100 * MB);
});

/** Reads from byte 5 on into one memory that is used again for each part. */
async function readFrom5(file: SpooledFile): Promise<Buffer> {
  const memory = Buffer.alloc(300_000);
  const copies: Buffer[] = [];
  for await (const part of file.readInto(5, (length) => memory.subarray(0, length))) {
    assert.equal(part.buffer, memory.buffer);
    copies.push(Buffer.from(part));
  }
  return Buffer.concat(copies);
}

test('a file is read into given memory while it grows', async () => {
  const path = join(directory, 'growing');
  const bytes = Buffer.from(Array.from({ length: 3 * MB }, (_, i) => (i * 7) % 251));
  await writeFile(path, bytes.subarray(0, MB + 10));
  const file = new SpooledFile({ path, sizeBytes: bytes.length, available: MB + 10 });
  const read = readFrom5(file);
  await appendFile(path, bytes.subarray(MB + 10));
  assert.equal(await Promise.race([read.then(() => true), setImmediate(false)]), false);
  file.grow(2 * MB + 100);
  file.grow(bytes.length);
  assert.ok((await read).equals(bytes.subarray(5)));
  assert.ok(file.wanted > 2 * MB);
});

test('a file on the disk that is shorter than its download is not read as a whole one', async () => {
  const path = join(directory, 'short');
  await writeFile(path, 'x'.repeat(100));
  const file = new SpooledFile({ path, sizeBytes: 200, available: 200 });
  await assert.rejects(readFrom5(file), { code: 'spool_damaged' });
});

test('a download that fails ends reading into memory with its error', async () => {
  const path = join(directory, 'failed');
  await writeFile(path, 'x'.repeat(100));
  const file = new SpooledFile({ path, sizeBytes: 2 * MB, available: 100 });
  const read = readFrom5(file);
  file.fail(new Error('the download failed'));
  await assert.rejects(read, /the download failed/);
});
