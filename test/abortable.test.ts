import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { abortable } from '../src/abortable.ts';

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
