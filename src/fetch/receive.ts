import type { FileHandle } from 'node:fs/promises';
import { addAbortSignal, type Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { ConnectorError } from '../errors.ts';
import { faultPoint } from '../fault_points.ts';
import { anotherSize } from '../sources/object_version.ts';
import type { Source, SourceObject } from '../sources/source.ts';
import { passedThrough } from '../young_buffers.ts';

/** Broken connections in a row, with no progress between them, after which the attempt is given up. */
const MAX_FRUITLESS = 4;
/** What counts as progress: a server that breaks off after each byte must not be asked for every one of them. */
const PROGRESS_BYTES = 1 << 20;
/** Before a body is taken up again; doubled with each time without progress. */
const PAUSE_MS = 200;
/** Bytes that are gathered before they are written. */
const WRITE_BYTES = 256 * 1024;

/** Bytes of an object, from the first up to, not including, the last. */
export interface ByteRange {
  from: number;
  to: number;
}

/** The version of an object that is wanted, and where from. */
export interface Wanted {
  source: Source;
  object: SourceObject;
  signal: AbortSignal;
}

/** Asks for a range of an object. */
export async function openRange(
  { source, object, signal }: Wanted,
  { from, to }: ByteRange,
): Promise<Readable> {
  const length = to < object.sizeBytes ? { length: to - from } : {};
  return await source.open(object, { offset: from, ...length, signal });
}

/**
 * Writes a range of an object to its place in a file; a body that breaks off is taken up again where it broke.
 * @param arriving `body`: the answer to the range, if it was asked for already; `onBytes` is told, after each write, up
 *   to where the object is there now, and may take its time
 * @throws ConnectorError `source_unavailable`, `object_changed`; what the source refuses
 */
export async function receiveRange(
  wanted: Wanted,
  handle: FileHandle,
  range: ByteRange,
  arriving: { body: Readable | null; onBytes: (received: number) => Promise<void> | void },
): Promise<void> {
  const { object, signal } = wanted;
  let { body } = arriving;
  let received = range.from;
  let fruitless = 0;
  const onBytes = async (bytes: number) => {
    // Before anybody takes them for bytes of the object.
    if (received + bytes > range.to)
      throw anotherSize(object, `at least ${received + bytes + object.sizeBytes - range.to}`);
    received += bytes;
    faultPoint('fetching');
    await arriving.onBytes(received);
  };
  while (received < range.to) {
    // What the source refuses it has refused several times already; only a body that breaks off is taken up again.
    body ??= await openRange(wanted, { from: received, to: range.to });
    const before = received;
    const trouble = await write(addAbortSignal(signal, body), handle, received, onBytes);
    signal.throwIfAborted();
    body = null;
    if (received === range.to) return;
    fruitless = received - before >= PROGRESS_BYTES ? 0 : fruitless + 1;
    if (fruitless > MAX_FRUITLESS) throw gaveUp(object, received, trouble);
    // Random, so that connections that broke together do not come back together.
    await delay(PAUSE_MS * 2 ** fruitless * (0.5 + Math.random()), undefined, { signal });
  }
}

/** @returns what ended the body before its end, if anything */
async function write(
  body: Readable,
  handle: FileHandle,
  start: number,
  onBytes: (bytes: number) => Promise<void>,
): Promise<unknown> {
  let position = start;
  let chunks: Buffer[] = [];
  let bytes = 0;
  const flush = async () => {
    if (bytes === 0) return;
    await writeAll(handle, chunks, position);
    const written = bytes;
    position += written;
    chunks = [];
    bytes = 0;
    passedThrough(written);
    await onBytes(written);
  };
  let trouble: unknown;
  const unbroken = untilBroken(body, (error) => {
    trouble = error;
  });
  for await (const chunk of unbroken) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes >= WRITE_BYTES) await flush();
  }
  await flush();
  return trouble;
}

/** The chunks of a body up to its end, or to where it breaks off; errors of who takes them are not the body's. */
export async function* untilBroken(
  body: AsyncIterable<Buffer>,
  onBroken: (error: unknown) => void,
): AsyncGenerator<Buffer> {
  try {
    yield* body;
  } catch (error) {
    onBroken(error);
  }
}

async function writeAll(handle: FileHandle, chunks: Buffer[], position: number): Promise<void> {
  const bytes = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  let { bytesWritten: written } = await handle.writev(chunks, position);
  // A disk that is nearly full takes only a part; trying to write the rest says why.
  const all = written < bytes ? Buffer.concat(chunks) : undefined;
  while (all && written < bytes) {
    written += (await handle.write(all, written, bytes - written, position + written)).bytesWritten;
  }
}

function gaveUp(object: SourceObject, received: number, cause: unknown): ConnectorError {
  const reason = cause instanceof Error ? cause.message : 'no bytes came';
  return new ConnectorError(
    'source_unavailable',
    `fetching broke off at byte ${received} of ${object.sizeBytes}: ${reason}`,
    { passing: true, cause },
  );
}
