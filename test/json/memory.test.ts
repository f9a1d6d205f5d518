import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NEEDS_MORE, RECORD } from '../../src/formats/json/finder.ts';
import { RecordReader } from '../../src/formats/json/record.ts';
import { KeyTree } from '../../src/formats/json/tree.ts';
import { readWindows } from '../../src/formats/json/windows.ts';

const CHUNK = 64 * 1024;
const MAX_ROW = 1 << 20;

/** Yields a text as a stream of chunks, and counts what was taken. */
class Stream {
  taken = 0;

  async *read(pieces: Iterable<Buffer>): AsyncGenerator<Buffer> {
    for (const piece of pieces) {
      for (let at = 0; at < piece.length; at += CHUNK) {
        const chunk = piece.subarray(at, at + CHUNK);
        this.taken += chunk.length;
        yield chunk;
      }
    }
  }
}

/** Reads all records. Returns their number, and the most bytes that were held at once. */
async function readAll(stream: Stream, pieces: Iterable<Buffer>): Promise<{ records: number; held: number }> {
  const reader = new RecordReader(new KeyTree(['n', 'text']));
  const options = { path: null, maxRowBytes: MAX_ROW, unit: 'line' as const };
  let records = 0;
  let held = 0;
  for await (const { finder } of readWindows(stream.read(pieces), reader, options)) {
    held = Math.max(held, reader.bytes.length);
    for (let found = finder.next(); found !== NEEDS_MORE; found = finder.next()) {
      assert.equal(found, RECORD);
      records++;
    }
  }
  return { records, held };
}

/** Yields an array with the same record many times. */
function* arrayOf(record: string, count: number): Generator<Buffer> {
  const following = Buffer.from(`,\n${record}`);
  yield Buffer.from(`[${record}`);
  for (let i = 1; i < count; i++) yield following;
  yield Buffer.from(']\n');
}

test('an array of any length is read in the memory of some chunks', async () => {
  const { records, held } = await readAll(
    new Stream(),
    arrayOf(`{"n":1,"text":"${'x'.repeat(50_000)}"}`, 1000),
  );
  assert.equal(records, 1000);
  assert.ok(held <= 4 * CHUNK, `${held} bytes were held`);
});

test('records near max_row_bytes are read in the memory of a few of them', async () => {
  const record = `{"n":1,"text":"${'x'.repeat(MAX_ROW - 100)}"}`;
  const { records, held } = await readAll(new Stream(), arrayOf(record, 40));
  assert.equal(records, 40);
  assert.ok(held <= 3 * MAX_ROW, `${held} bytes were held`);
});

for (const [what, start] of [
  ['text', '[{"n":1,"text":"'],
  ['array', '{"n":['],
  ['white space', '[{"n":1},{"n":'],
] as const) {
  test(`a record that does not end is refused long before the file ends: ${what}`, async () => {
    const stream = new Stream();
    const endless = function* () {
      yield Buffer.from(start);
      const more = Buffer.alloc(CHUNK, what === 'array' ? '1,' : what === 'text' ? 'x' : ' ');
      for (let i = 0; i < 1000; i++) yield more;
    };
    await assert.rejects(readAll(stream, endless()), { code: 'row_too_large' });
    assert.ok(stream.taken <= 4 * MAX_ROW, `${stream.taken} bytes were read`);
  });
}

test('white space between records is not held', async () => {
  const blank = Buffer.alloc(1 << 20, ' \n');
  const pieces = function* () {
    yield Buffer.from('[');
    for (let i = 0; i < 50; i++) {
      yield Buffer.from(i === 0 ? '{"n":1}' : ',{"n":1}');
      yield blank;
    }
    yield Buffer.from(']');
  };
  const { records, held } = await readAll(new Stream(), pieces());
  assert.equal(records, 50);
  assert.ok(held <= 3 * MAX_ROW, `${held} bytes were held`);
});
