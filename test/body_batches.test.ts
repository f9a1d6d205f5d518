import assert from 'node:assert/strict';
import { PassThrough, Readable } from 'node:stream';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { inBatches } from '../src/fetch/batches.ts';

async function batchesOf(stream: Readable, leastBytes: number): Promise<string[]> {
  const batches: string[] = [];
  for await (const chunks of inBatches(stream, leastBytes)) {
    batches.push(chunks.join('|'));
    // While a batch is used, the stream goes on.
    await turn();
  }
  return batches;
}

test('chunks come in order, in batches of at least so many bytes and a rest', async () => {
  const chunks = Array.from({ length: 50 }, (_, i) => `chunk ${i}`);
  const batches = await batchesOf(Readable.from(chunks.map(Buffer.from), { objectMode: false }), 30);
  assert.equal(batches.join('|'), chunks.join('|'));
  assert.ok(batches.length > 1);
  for (const batch of batches.slice(0, -1)) assert.ok(batch.replaceAll('|', '').length >= 30, batch);
});

test('a stream without bytes has no batches', async () => {
  assert.deepEqual(await batchesOf(Readable.from([], { objectMode: false }), 30), []);
});

test('what came before an error comes as a batch, and the error after it', async () => {
  const body = new PassThrough();
  body.write('abc');
  const batches = inBatches(body, 30);
  const first = batches.next();
  await turn();
  body.destroy(new Error('reset'));
  assert.deepEqual((await first).value?.map(String), ['abc']);
  await assert.rejects(batches.next(), /reset/);
});

test('a stream that is destroyed without an error does not look like one that ended', async () => {
  const body = new PassThrough();
  body.on('error', () => {});
  body.destroy();
  await assert.rejects(batchesOf(body, 30), { code: 'ERR_STREAM_PREMATURE_CLOSE' });
});

test('who stops early destroys the stream', async () => {
  const body = new PassThrough();
  body.write(Buffer.alloc(100));
  for await (const chunks of inBatches(body, 30)) {
    assert.equal(chunks.length, 1);
    break;
  }
  assert.equal(body.destroyed, true);
});

test('at most one batch is gathered while another is used', async () => {
  let asked = 0;
  const body = new Readable({
    highWaterMark: 10,
    read() {
      asked += 10;
      this.push(asked > 1000 ? null : Buffer.alloc(10));
    },
  });
  const batches = inBatches(body, 100);
  await batches.next();
  for (let i = 0; i < 20; i++) await turn();
  assert.ok(asked <= 240, `${asked} bytes were read`);
  await batches.return(undefined);
});
