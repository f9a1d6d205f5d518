import assert from 'node:assert/strict';
import { mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { Reader } from '../../src/formats/parquet/reader_process.ts';
import { parquetOf } from '../support/parquet.ts';

const directory = await mkdtemp(join(tmpdir(), 's3-connector-reread-'));
const reader = new Reader(directory, { memory: '192MB', threads: 1, stallMs: 60_000 });
after(async () => {
  await reader.kill();
  await rm(directory, { recursive: true });
});

const ROWS = 60_000;
const FOOTER_BYTES = 3000;

test('a reader that has read a file too early sees the bytes that came since', async () => {
  const whole = await parquetOf(
    `select i::integer as n, (i * 7) % 1000 as v, 'x' || i as t from range(${ROWS}) r(i)`,
  );
  const seen = new Set<string>();
  for (let file = 0; file < 60; file++) {
    const path = join(directory, String(file));
    const arrived = 4 + Math.floor((whole.length * (file % 10)) / 12);
    // The footer has arrived. What else has not is zero.
    await writeFile(path, Buffer.from(whole).fill(0, arrived, whole.length - FOOTER_BYTES));
    await read(path).catch(() => {});
    const handle = await open(path, 'r+');
    await handle.write(whole, 0, whole.length, 0);
    await handle.close();
    seen.add(await read(path).catch(String));
  }
  assert.deepEqual([...seen], [`${(ROWS * (ROWS - 1)) / 2} 29970000 x9999`]);
});

async function read(path: string): Promise<string> {
  const sums = `select sum(n)::varchar || ' ' || sum(v)::varchar || ' ' || max(t) from read_parquet('${path}')`;
  const [text] = await reader.look(sums, undefined);
  return text!;
}
