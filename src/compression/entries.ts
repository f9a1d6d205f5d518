import type { SpooledFile } from '../fetch/spooled_file.ts';
import { type Compression, type Entry, type Limits, MAGIC_BYTES } from './compression.ts';
import { gzip } from './gzip.ts';
import { plain } from './plain.ts';
import { zip } from './zip.ts';

export type { Entry, Limits };

/** The first that knows a file's first bytes has it; `plain` takes the rest. */
const COMPRESSIONS: Compression[] = [gzip, zip, plain];

/**
 * What there is to read in a file, found out by its content and not by its name.
 *
 * @throws ConnectorError `expanded_too_large`, `truncated_gzip`, `corrupt_gzip`, `encrypted_zip`,
 *   `unsupported_zip`, `corrupt_zip`; here, or from the streams of the entries
 */
export async function* openEntries(file: SpooledFile, limits: Limits): AsyncGenerator<Entry> {
  const start = await firstBytes(file);
  const compression = COMPRESSIONS.find(({ detect }) => detect(start));
  if (compression) yield* compression.entries(file, limits);
}

async function firstBytes(file: SpooledFile): Promise<Buffer> {
  let start: Buffer = Buffer.alloc(0);
  for await (const chunk of file.read()) {
    start = Buffer.concat([start, chunk.subarray(0, MAGIC_BYTES)]);
    if (start.length >= MAGIC_BYTES) break;
  }
  return start.subarray(0, MAGIC_BYTES);
}
