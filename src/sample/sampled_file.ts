/** Fetches an object of a sample. Of a large one only the part that its format reads first. */
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import type { ReadConnector } from '../db/schema.ts';
import { receiveRange } from '../fetch/receive.ts';
import { FILE_MODE, makeSpoolDirectory } from '../fetch/spool_directory.ts';
import { SpooledFile } from '../fetch/spooled_file.ts';
import { type Fetched, type FetchOptions, fetchFor } from '../fetch.ts';
import { FORMATS } from '../formats/registry.ts';
import { SampleEnd } from '../formats/sample_end.ts';
import type { SourceObject } from '../sources/source.ts';
import type { WorkerContext } from '../task.ts';

/**
 * Fetches an object, or so many bytes of it: its start, or its end if its format begins there. Readers that need more get a
 * SampleEnd.
 */
export async function fetchSampled(
  worker: WorkerContext,
  connector: ReadConnector,
  object: SourceObject,
  { bytes, ...options }: Pick<FetchOptions, 'name' | 'signal'> & { bytes: number },
): Promise<Fetched> {
  if (object.sizeBytes <= bytes) {
    const fetched = await fetchFor(worker, connector, object, options);
    await fetched.file.whole().catch(async (error) => {
      await fetched.remove();
      throw error;
    });
    return fetched;
  }
  const fromEnd = FORMATS[connector.format.kind].tailBytes > 0;
  return await fetchPart(worker, connector, object, { ...options, bytes, fromEnd });
}

async function fetchPart(
  { spoolDir, sources }: WorkerContext,
  connector: ReadConnector,
  object: SourceObject,
  {
    name,
    signal,
    bytes,
    fromEnd,
  }: Pick<FetchOptions, 'name' | 'signal'> & { bytes: number; fromEnd: boolean },
): Promise<Fetched> {
  const { sizeBytes } = object;
  const range = fromEnd ? { from: sizeBytes - bytes, to: sizeBytes } : { from: 0, to: bytes };
  await makeSpoolDirectory(spoolDir);
  const path = join(spoolDir, name);
  const file = new SpooledFile({ path, sizeBytes, available: range.from === 0 ? bytes : 0 });
  const handle = await open(path, 'w', FILE_MODE);
  try {
    const wanted = { source: sources.open(connector), object, signal };
    await receiveRange(wanted, handle, range, () => {});
    // DuckDB refuses a file whose size is not the footer's.
    await handle.truncate(sizeBytes);
  } catch (error) {
    await file.remove();
    throw error;
  } finally {
    await handle.close();
  }
  if (fromEnd) file.setTail(range.from);
  file.fail(new SampleEnd(bytes, sizeBytes));
  return { file, remove: () => file.remove() };
}
