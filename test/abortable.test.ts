import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { abortable, collect, follow } from '../src/abortable.ts';

test('an abort before a stream is read is an error for its reader, and does not end the process', async () => {
  for (const isAborted of [true, false]) {
    const stop = new AbortController();
    if (isAborted) stop.abort();
    const body = abortable(stop.signal, Readable.from([Buffer.from('a')]));
    stop.abort();
    await turn();
    await turn();
    await assert.rejects(body.toArray(), { name: 'AbortError' });
  }
});

test('a stream is collected up to its end, its error, an abort, or more bytes than wanted', async () => {
  const { signal } = new AbortController();
  const chunks = ['ab', 'cd', 'ef'].map((text) => Buffer.from(text));
  const textOf = async (collected: Promise<Buffer[]>) => String(Buffer.concat(await collected));
  assert.equal(await textOf(collect(signal, Readable.from(chunks), 6)), 'abcdef');
  const longer = Readable.from(chunks);
  assert.equal(await textOf(collect(signal, longer, 3)), 'abcd');
  assert.ok(longer.destroyed);

  const broken = async function* () {
    yield chunks[0];
    throw new Error('broken off');
  };
  assert.equal(await textOf(collect(signal, Readable.from(broken()), 6)), 'ab');

  const stop = new AbortController();
  const stalled = new Readable({ read() {} });
  const collected = collect(stop.signal, stalled, 6);
  stalled.push(chunks[0]);
  await turn();
  stop.abort();
  assert.equal(await textOf(collected), 'ab');
  assert.ok(stalled.destroyed);
  const late = Readable.from(chunks);
  assert.equal(await textOf(collect(stop.signal, late, 6)), '');
  assert.equal(await textOf(collect(signal, late, 6)), '', 'of a stream that is closed already');
});

test('a controller follows signals until it is told not to', () => {
  const [first, second] = [new AbortController(), new AbortController()];
  const follower = new AbortController();
  const unfollow = follow(first.signal, follower);
  follow(second.signal, follower);
  unfollow();
  first.abort('first');
  assert.equal(follower.signal.aborted, false);
  second.abort('second');
  assert.equal(follower.signal.reason, 'second');
  const late = new AbortController();
  follow(first.signal, late);
  assert.equal(late.signal.reason, 'first');
});
