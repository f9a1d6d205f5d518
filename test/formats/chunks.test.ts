import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import { Chunks } from '../../src/formats/parquet/chunks.ts';
import { StallTimer } from '../../src/formats/parquet/stall_timer.ts';
import { written } from '../../src/written_buffers.ts';

// The bytes of a reader process arrive in blocks of memory that are used again, but not while somebody needs them.

/** For each line of its input, writes that many bytes: a counter of four bytes each, which goes on. */
const WRITER = `
  const { writeSync } = require('node:fs');
  let counter = 0;
  require('node:readline').createInterface({ input: process.stdin }).on('line', (line) => {
    const words = new Uint32Array(Number(line) / 4).map(() => counter++);
    const bytes = new Uint8Array(words.buffer);
    for (let at = 0; at < bytes.length; ) at += writeSync(3, bytes, at, Math.min(50_000, bytes.length - at));
  });`;

function startWriter() {
  const child = spawn(process.execPath, ['-e', WRITER], { stdio: ['pipe', 'ignore', 'inherit', 'pipe'] });
  const chunks = new Chunks(child.stdio[3] as Socket, () => new Error('the pipe is closed'));
  const timer = new StallTimer(60_000, () => child.kill('SIGKILL'));
  return {
    /** Asks for so many bytes, and yields them as they arrive. */
    read(bytes: number, sentWhole: boolean) {
      child.stdin!.write(`${bytes}\n`);
      return chunks.read(Promise.resolve(bytes), timer, sentWhole);
    },
    async end() {
      child.stdin!.end();
      await once(child, 'exit');
    },
  };
}

/** Checks that the chunks are the counters from `first` on; returns the next counter. */
function checkCounters(chunks: Uint8Array[], first: number): number {
  const bytes = Buffer.concat(chunks);
  const words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  const wrong = words.findIndex((word, i) => word !== first + i);
  assert.equal(wrong, -1, `word ${wrong} of ${words.length} is ${words[wrong]}`);
  return first + words.length;
}

test('blocks keep their bytes until they are written', async () => {
  const writer = startWriter();
  let next = 0;
  // Each request ends within a block, in which the next one goes on.
  for (const bytes of [4, 3_000_000, 400_000, 60_000, 2_000_000]) {
    const copies: Buffer[] = [];
    const unwritten: Uint8Array[] = [];
    for await (const chunk of writer.read(bytes, true)) {
      copies.push(Buffer.from(chunk));
      unwritten.push(chunk);
      // As many as a socket may have waiting.
      if (unwritten.length < 4) continue;
      const sent = unwritten.shift()!;
      assert.ok(copies.at(-4)!.equals(sent), 'a block changed before it was written');
      written(sent);
    }
    next = checkCounters(copies, next);
    for (const chunk of unwritten) written(chunk);
  }
  await writer.end();
});

test('memory of chunks that are cut up is never used again', async () => {
  const writer = startWriter();
  const chunks: Uint8Array[] = [];
  for await (const chunk of writer.read(3_000_000, false)) {
    chunks.push(chunk);
    // The first part of it.
    written(chunk.subarray(0, 10));
  }
  checkCounters(chunks, 0);
  await writer.end();
});

test('a slow reader gets all bytes in order', async () => {
  const writer = startWriter();
  const rows = writer.read(4_000_000, true);
  const { value } = await rows.next();
  const chunks = [Buffer.from(value!)];
  written(value!);
  for await (const chunk of rows) {
    // Other turns of the event loop, in which the socket could read on without end.
    await new Promise((resolve) => setImmediate(resolve));
    chunks.push(Buffer.from(chunk));
    written(chunk);
  }
  checkCounters(chunks, 0);
  await writer.end();
});
