/** Fetches an object into a spool file, which can be read while it grows. */
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import type { Span } from '@opentelemetry/api';
import { collect } from './abortable.ts';
import type { ReadConnector } from './db/schema.ts';
import { ConnectorError } from './errors.ts';
import { amid, reach } from './fault_points.ts';
import { receiveRange, untilBroken } from './fetch/receive.ts';
import { FILE_MODE, makeSpoolDirectory } from './fetch/spool_directory.ts';
import { SpooledFile } from './fetch/spooled_file.ts';
import { TimeLimit } from './fetch/time_limit.ts';
import { FORMATS } from './formats/registry.ts';
import { anotherSize } from './sources/object_version.ts';
import type { Source, SourceObject } from './sources/source.ts';
import type { WorkerContext } from './task.ts';
import { endSpan, failSpan, spanOf, startSpan } from './telemetry.ts';

/** Objects up to this size are kept in memory: writing them to disk would cost more than the rest of the import. */
const IN_MEMORY_BYTES = 64 * 1024;
/** A tail is fetched beside the rest, by a request of its own, if it is less than this share of the object. */
const MAX_TAIL = 1 / 4;

/** An object that is being fetched, or was. */
export interface Fetched {
  file: SpooledFile;
  /** Stops the fetch, if it still runs, and deletes the file. */
  remove(): Promise<void>;
}

export interface FetchOptions {
  spoolDir: string;
  /** The name of the spool file. The object's key is never used in a path. */
  name: string;
  maxFileBytes: number;
  /** How many bytes at the end of a large object are fetched by a request of their own; 0: none. */
  tailBytes: number;
  /** How long an object of up to 1 GiB may take, in milliseconds. */
  fetchMs: number;
  signal: AbortSignal;
}

/** Fetches an object of a connector, in the order that its format needs; see fetchObject. */
export async function fetchFor(
  { config, sources, spoolDir }: WorkerContext,
  connector: ReadConnector,
  object: SourceObject,
  { name, signal }: Pick<FetchOptions, 'name' | 'signal'>,
): Promise<Fetched> {
  const span = startSpan('fetch', spanOf(connector, object.key));
  try {
    const fetched = await fetchObject(sources.open(connector), object, {
      spoolDir,
      name,
      maxFileBytes: connector.max_file_bytes,
      tailBytes: FORMATS[connector.format.kind].tailBytes,
      fetchMs: config.timeouts.fetchMs,
      signal,
    });
    endWithDownload(span, fetched.file);
    return fetched;
  } catch (error) {
    failSpan(span, error);
    throw error;
  }
}

/** Ends a span as soon as all bytes are there, or will never be. */
function endWithDownload(span: Span, file: SpooledFile): void {
  const look = () => {
    if (file.failure === undefined && file.available < file.sizeBytes) return;
    stop();
    if (file.failure === undefined) endSpan(span, { bytes: file.sizeBytes });
    else failSpan(span, file.failure);
  };
  const stop = file.onChange(look);
  look();
}

/**
 * Begins to fetch exactly the listed version of an object into a spool file. Resolves with a small object as a whole, and at once
 * with a file that grows.
 *
 * A transfer that breaks off resumes where it broke; the ETag ensures that both ranges are of one version. If the object
 * cannot be downloaded, every waiting reader gets that error: `object_changed`, `object_missing`, `source_unavailable` ...
 * @throws ConnectorError `file_too_large`; of a small object also the errors of its download
 */
export async function fetchObject(
  source: Source,
  object: SourceObject,
  options: FetchOptions,
): Promise<Fetched> {
  if (object.sizeBytes > options.maxFileBytes) throw tooLarge(object, options.maxFileBytes);
  const limit = new TimeLimit(object, options.fetchMs, options.signal);
  try {
    return (
      (await fetchToMemory(source, object, limit, options)) ??
      (await fetchToDisk(source, object, limit, options))
    );
  } catch (error) {
    limit.end();
    throw error;
  }
}

/** Returns undefined if the object is not small, or its transfer broke off. */
async function fetchToMemory(
  source: Source,
  object: SourceObject,
  limit: TimeLimit,
  { spoolDir, name }: FetchOptions,
): Promise<Fetched | undefined> {
  if (object.sizeBytes > IN_MEMORY_BYTES) return undefined;
  const bytes = await limit.hold(fetchSmall(source, object, limit.signal));
  if (!bytes) return undefined;
  limit.end();
  const file = SpooledFile.inMemory(join(spoolDir, name), bytes);
  return { file, remove: () => file.remove() };
}

async function fetchToDisk(
  source: Source,
  object: SourceObject,
  limit: TimeLimit,
  options: FetchOptions,
): Promise<Fetched> {
  // For every file, because a cleaner of temporary directories may have deleted it.
  await makeSpoolDirectory(options.spoolDir);
  const path = join(options.spoolDir, options.name);
  const file = new SpooledFile({ path, sizeBytes: object.sizeBytes, available: 0 });
  const download = { source, object, file, signal: limit.signal, tailFrom: tailStart(object, options) };
  const ended = receiveAll(download, limit)
    .catch((error) => file.fail(error))
    .finally(() => limit.end());
  return {
    file,
    async remove() {
      limit.stop();
      await ended;
      await file.remove();
    },
  };
}

/** Returns the whole object; undefined if the transfer breaks off, which `receiveAll` can resume. */
async function fetchSmall(
  source: Source,
  object: SourceObject,
  signal: AbortSignal,
): Promise<Buffer | undefined> {
  await reach('open_object', 'source');
  const body = await source.open(object, { offset: 0, signal });
  const chunks: Buffer[] = [];
  const collected = await collect(signal, body, object.sizeBytes);
  for await (const chunk of untilBroken(amid('read_body', collected), () => {})) chunks.push(chunk);
  signal.throwIfAborted();
  const bytes = Buffer.concat(chunks);
  if (bytes.length > object.sizeBytes) throw anotherSize(object, `at least ${bytes.length}`);
  return bytes.length === object.sizeBytes ? bytes : undefined;
}

interface Download {
  source: Source;
  object: SourceObject;
  file: SpooledFile;
  signal: AbortSignal;
  /** The offset of the tail; the object's size if there is none. */
  tailFrom: number;
}

function tailStart({ sizeBytes }: SourceObject, { tailBytes }: FetchOptions): number {
  return tailBytes < sizeBytes * MAX_TAIL ? sizeBytes - tailBytes : sizeBytes;
}

/** Fetches the tail and the bytes before it side by side. The first error goes to the file's readers, and ends the other part. */
async function receiveAll(download: Download, limit: TimeLimit): Promise<void> {
  const { file } = download;
  const handle = await open(file.path, 'w', FILE_MODE);
  const parts = [receiveTail(download, handle), receiveRest(download, handle)];
  await Promise.all(parts.map((part) => limit.hold(part).catch((error) => file.fail(error))));
  await handle.close();
}

async function receiveTail(download: Download, handle: FileHandle): Promise<void> {
  const { object, file, tailFrom } = download;
  if (tailFrom === object.sizeBytes) return;
  await receiveRange(download, handle, { from: tailFrom, to: object.sizeBytes }, () => {});
  file.setTail(tailFrom);
}

async function receiveRest(download: Download, handle: FileHandle): Promise<void> {
  const { file, tailFrom } = download;
  await receiveRange(download, handle, { from: 0, to: tailFrom }, async (received) => {
    if (file.failure !== undefined) throw file.failure;
    file.grow(received);
    await file.letCatchUp();
  });
}

function tooLarge(object: SourceObject, limit: number): ConnectorError {
  return new ConnectorError(
    'file_too_large',
    `the object has ${object.sizeBytes} bytes; max_file_bytes is ${limit}`,
    { hint: 'Raise max_file_bytes of the connector, then retry the file.' },
  );
}
