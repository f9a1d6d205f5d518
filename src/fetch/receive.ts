/** Receives a range of an object into a file, and resumes a transfer that breaks off. */
import type { FileHandle } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { abortable } from '../abortable.ts';
import { backoffMs } from '../backoff.ts';
import { countDiscardedBytes } from '../buffer_gc.ts';
import { ConnectorError } from '../errors.ts';
import { amid, at, reach } from '../fault_points.ts';
import { anotherSize } from '../sources/object_version.ts';
import type { Source, SourceObject } from '../sources/source.ts';
import { inBatches } from './batches.ts';

/** Broken connections in a row, without progress between them, before the attempt fails. */
const MAX_FRUITLESS = 4;
/** The least that counts as progress, so that a server that breaks off after each byte is not asked for every byte. */
const PROGRESS_BYTES = 1 << 20;
/** Before a transfer is resumed. */
const BACKOFF = { firstMs: 200, longestMs: 3200 };
/** Bytes that are collected before they are written. */
const WRITE_BYTES = 256 * 1024;

/** Bytes of an object, from `from` up to, not including, `to`. */
interface ByteRange {
  from: number;
  to: number;
}

/** The version of an object to fetch, and its source. */
interface Wanted {
  source: Source;
  object: SourceObject;
  signal: AbortSignal;
}

/** Requests a range of an object. */
async function openRange({ source, object, signal }: Wanted, { from, to }: ByteRange): Promise<Readable> {
  const length = to < object.sizeBytes ? { length: to - from } : {};
  await reach('open_range', 'source');
  return await source.open(object, { offset: from, ...length, signal });
}

/**
 * Writes a range of an object to its place in a file. A transfer that breaks off resumes where it broke.
 * @param onReached is called after each write with the offset that the transfer has reached, and is awaited
 * @throws ConnectorError `source_unavailable`, `object_changed`, or the source's own
 */
export async function receiveRange(
  wanted: Wanted,
  handle: FileHandle,
  range: ByteRange,
  onReached: (received: number) => Promise<void> | void,
): Promise<void> {
  const { object, signal } = wanted;
  let received = range.from;
  let fruitless = 0;
  const onBytes = async (bytes: number) => {
    // Before anybody reads them as bytes of the object.
    if (received + bytes > range.to)
      throw anotherSize(object, `at least ${received + bytes + object.sizeBytes - range.to}`);
    received += bytes;
    await onReached(received);
  };
  while (received < range.to) {
    // Errors of `openRange` are thrown: the source has retried already. Only a body that breaks off is resumed.
    const body = await openRange(wanted, { from: received, to: range.to });
    const before = received;
    const cause = await write(abortable(signal, body), handle, received, onBytes);
    signal.throwIfAborted();
    if (received === range.to) return;
    fruitless = received - before >= PROGRESS_BYTES ? 0 : fruitless + 1;
    if (fruitless > MAX_FRUITLESS) throw gaveUp(object, received, cause);
    await delay(backoffMs(BACKOFF, fruitless), undefined, { signal });
  }
}

/** @returns the error that broke the body off, if any */
async function write(
  body: Readable,
  handle: FileHandle,
  start: number,
  onBytes: (bytes: number) => Promise<void>,
): Promise<unknown> {
  let position = start;
  let cause: unknown;
  const unbroken = untilBroken(amid('read_range', inBatches(body, WRITE_BYTES)), (error) => {
    cause = error;
  });
  for await (const chunks of unbroken) {
    const written = await at('write_spool', () => writeAll(handle, chunks, position), 'source');
    position += written;
    countDiscardedBytes(written);
    await onBytes(written);
  }
  return cause;
}

/** Yields the chunks of a body up to its end or its error, which goes to `onBroken`. The consumer's errors do not. */
export async function* untilBroken<Chunk>(
  body: AsyncIterable<Chunk> | Iterable<Chunk>,
  onBroken: (error: unknown) => void,
): AsyncGenerator<Chunk> {
  try {
    yield* body;
  } catch (error) {
    onBroken(error);
  }
}

/** Returns the number of bytes. */
async function writeAll(handle: FileHandle, chunks: Buffer[], position: number): Promise<number> {
  const bytes = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  let { bytesWritten: written } = await handle.writev(chunks, position);
  // A disk that is nearly full takes only a part. Writing the rest gives the error.
  const all = written < bytes ? Buffer.concat(chunks) : undefined;
  while (all && written < bytes) {
    written += (await handle.write(all, written, bytes - written, position + written)).bytesWritten;
  }
  return bytes;
}

function gaveUp(object: SourceObject, received: number, cause: unknown): ConnectorError {
  const reason = cause instanceof Error ? cause.message : 'no bytes came';
  return new ConnectorError(
    'source_unavailable',
    `fetching broke off at byte ${received} of ${object.sizeBytes}: ${reason}`,
    { passing: true, cause },
  );
}
