import { createWriteStream } from 'node:fs';
import { stat, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { addAbortSignal } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { ConnectorError } from './errors.ts';
import type { Source, SourceObject } from './sources/source.ts';

/** Broken connections in a row, with not one byte between them, after which the attempt is given up. */
const MAX_FRUITLESS = 4;

/** Objects up to this size are held in memory until they are whole: opening a file once costs less than twice. */
const SMALL_BYTES = 64 * 1024;

/** An object on the worker's disk. */
export interface SpooledFile {
  path: string;
  remove(): Promise<void>;
}

export interface FetchOptions {
  spoolDir: string;
  /** Name of the spool file; the object's key is never used in a path. */
  name: string;
  maxFileBytes: number;
  signal: AbortSignal;
}

/**
 * Fetches exactly the listed version of an object into a spool file. A broken connection is taken up again where
 * it broke; the ETag makes sure that both parts are of one version.
 * @throws ConnectorError `file_too_large`, `object_changed`, `object_missing`, `source_unavailable` ...
 */
export async function fetchObject(
  source: Source,
  object: SourceObject,
  options: FetchOptions,
): Promise<SpooledFile> {
  if (object.sizeBytes > options.maxFileBytes) throw tooLarge(object, options.maxFileBytes);
  const path = join(options.spoolDir, options.name);
  const spooled: SpooledFile = { path, remove: () => remove(path) };
  try {
    const small = object.sizeBytes <= SMALL_BYTES;
    if (!small || !(await downloadSmall(source, object, path, options.signal))) {
      await download(source, object, path, options.signal);
    }
    return spooled;
  } catch (error) {
    await spooled.remove();
    throw error;
  }
}

/** @returns whether it came whole; a body that breaks off is left to `download` */
async function downloadSmall(
  source: Source,
  object: SourceObject,
  path: string,
  signal: AbortSignal,
): Promise<boolean> {
  const chunks: Buffer[] = [];
  if (object.sizeBytes > 0) {
    const body = await source.open(object, { offset: 0, signal });
    try {
      for await (const chunk of addAbortSignal(signal, body)) chunks.push(chunk);
    } catch {
      signal.throwIfAborted();
      return false;
    }
  }
  const bytes = Buffer.concat(chunks);
  if (bytes.length !== object.sizeBytes) return false;
  await writeFile(path, bytes, { mode: 0o600 });
  return true;
}

async function remove(path: string): Promise<void> {
  // Not rm: it looks at the file first.
  await unlink(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
  });
}

async function download(
  source: Source,
  object: SourceObject,
  path: string,
  signal: AbortSignal,
): Promise<void> {
  let received = 0;
  let fruitless = 0;
  let trouble: unknown;
  await appendTo(path, 0, []);
  while (received < object.sizeBytes) {
    if (fruitless > 0) await delay(200 * 2 ** fruitless, undefined, { signal });
    // What the source refuses it has refused several times already; only a body that breaks off is taken up again.
    const body = await source.open(object, { offset: received, signal });
    try {
      await appendTo(path, received, body, signal);
    } catch (error) {
      signal.throwIfAborted();
      trouble = error;
    }
    const { size } = await stat(path);
    fruitless = size > received ? 0 : fruitless + 1;
    received = size;
    if (fruitless > MAX_FRUITLESS) throw gaveUp(object, received, trouble);
  }
  if (received !== object.sizeBytes) {
    throw new ConnectorError(
      'source_unavailable',
      `the object was listed with ${object.sizeBytes} bytes, but ${received} came`,
      { passing: true },
    );
  }
}

async function appendTo(
  path: string,
  offset: number,
  body: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  signal?: AbortSignal,
): Promise<void> {
  const file = createWriteStream(path, { flags: offset === 0 ? 'w' : 'a', mode: 0o600 });
  await pipeline(body, file, signal ? { signal } : {});
}

function tooLarge(object: SourceObject, limit: number): ConnectorError {
  return new ConnectorError(
    'file_too_large',
    `the object has ${object.sizeBytes} bytes; max_file_bytes is ${limit}`,
    {
      hint: 'Raise max_file_bytes of the connector, then retry the file.',
    },
  );
}

function gaveUp(object: SourceObject, received: number, cause: unknown): ConnectorError {
  const reason = cause instanceof Error ? cause.message : 'no bytes came';
  return new ConnectorError(
    'source_unavailable',
    `fetching broke off at byte ${received} of ${object.sizeBytes}: ${reason}`,
    {
      passing: true,
      cause,
    },
  );
}
