import { type FileHandle, mkdir, open } from 'node:fs/promises';
import { join } from 'node:path';
import { addAbortSignal, type Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { ConnectorError } from './errors.ts';
import { SpooledFile } from './fetch/spooled_file.ts';
import type { Source, SourceObject } from './sources/source.ts';

/** Broken connections in a row, with not one byte between them, after which the attempt is given up. */
const MAX_FRUITLESS = 4;
/** Up to this size an object is kept in memory, as much as a chunk of a larger one: the disk would cost more than the rest. */
const IN_MEMORY_BYTES = 64 * 1024;
/** Bytes that are gathered before they are written. */
const WRITE_BYTES = 256 * 1024;

/** An object on its way to the worker's disk. */
export interface Fetched {
  file: SpooledFile;
  /** Ends the fetch, if it has not ended, and deletes the file. */
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
 * Begins to fetch exactly the listed version of an object into a spool file, and resolves with the source's first answer.
 * A broken connection is taken up again where it broke; the ETag makes sure that both parts are of one version. What keeps
 * the rest from coming fails who waits for it.
 * @throws ConnectorError `file_too_large`, `object_changed`, `object_missing`, `source_unavailable` ...
 */
export async function fetchObject(
  source: Source,
  object: SourceObject,
  options: FetchOptions,
): Promise<Fetched> {
  if (object.sizeBytes > options.maxFileBytes) throw tooLarge(object, options.maxFileBytes);
  const path = join(options.spoolDir, options.name);
  const small = object.sizeBytes <= IN_MEMORY_BYTES && (await fetchSmall(source, object, options.signal));
  if (small) {
    const file = SpooledFile.inMemory(path, small);
    return { file, remove: () => file.remove() };
  }
  // Again and again, because what cleans up temporary directories does not know whose they are.
  await mkdir(options.spoolDir, { recursive: true, mode: 0o700 });
  const file = new SpooledFile({ path, sizeBytes: object.sizeBytes, available: 0 });
  const stop = new AbortController();
  const signal = AbortSignal.any([options.signal, stop.signal]);
  const body = object.sizeBytes > 0 ? await source.open(object, { offset: 0, signal }) : null;
  const ended = download({ source, object, file, signal }, body).catch((error) => file.fail(error));
  return {
    file,
    async remove() {
      stop.abort();
      await ended;
      await file.remove();
    },
  };
}

/** The whole object; undefined where it breaks off or has another size, which is left to `download`. */
async function fetchSmall(
  source: Source,
  object: SourceObject,
  signal: AbortSignal,
): Promise<Buffer | undefined> {
  if (object.sizeBytes === 0) return Buffer.alloc(0);
  const body = await source.open(object, { offset: 0, signal });
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of addAbortSignal(signal, body)) chunks.push(chunk);
  } catch {
    signal.throwIfAborted();
    return undefined;
  }
  const bytes = Buffer.concat(chunks);
  return bytes.length === object.sizeBytes ? bytes : undefined;
}

interface Download {
  source: Source;
  object: SourceObject;
  file: SpooledFile;
  signal: AbortSignal;
}

async function download(download: Download, first: Readable | null): Promise<void> {
  const handle = await open(download.file.path, 'w', 0o600);
  try {
    await receive(download, handle, first);
  } finally {
    await handle.close();
  }
}

async function receive(
  { source, object, file, signal }: Download,
  handle: FileHandle,
  first: Readable | null,
): Promise<void> {
  let body = first;
  let fruitless = 0;
  while (file.available < object.sizeBytes) {
    if (fruitless > 0) await delay(200 * 2 ** fruitless, undefined, { signal });
    // What the source refuses it has refused several times already; only a body that breaks off is taken up again.
    body ??= await source.open(object, { offset: file.available, signal });
    const before = file.available;
    const trouble = await write(addAbortSignal(signal, body), handle, file);
    signal.throwIfAborted();
    body = null;
    fruitless = file.available > before ? 0 : fruitless + 1;
    if (fruitless > MAX_FRUITLESS) throw gaveUp(object, before, trouble);
  }
  if (file.available !== object.sizeBytes) throw anotherSize(object, file.available);
}

/** @returns what ended the body before its end, if anything */
async function write(body: Readable, handle: FileHandle, file: SpooledFile): Promise<unknown> {
  let chunks: Buffer[] = [];
  let bytes = 0;
  const flush = async () => {
    if (bytes === 0) return;
    await handle.appendFile(Buffer.concat(chunks));
    file.grow(file.available + bytes);
    chunks = [];
    bytes = 0;
  };
  let trouble: unknown;
  try {
    for await (const chunk of body) {
      chunks.push(chunk);
      bytes += chunk.length;
      if (bytes >= WRITE_BYTES) await flush();
    }
  } catch (error) {
    trouble = error;
  }
  await flush();
  return trouble;
}

function anotherSize(object: SourceObject, received: number): ConnectorError {
  return new ConnectorError(
    'source_unavailable',
    `the object was listed with ${object.sizeBytes} bytes, but ${received} came`,
    { passing: true },
  );
}

function tooLarge(object: SourceObject, limit: number): ConnectorError {
  return new ConnectorError(
    'file_too_large',
    `the object has ${object.sizeBytes} bytes; max_file_bytes is ${limit}`,
    { hint: 'Raise max_file_bytes of the connector, then retry the file.' },
  );
}

function gaveUp(object: SourceObject, received: number, cause: unknown): ConnectorError {
  const reason = cause instanceof Error ? cause.message : 'no bytes came';
  return new ConnectorError(
    'source_unavailable',
    `fetching broke off at byte ${received} of ${object.sizeBytes}: ${reason}`,
    { passing: true, cause },
  );
}
