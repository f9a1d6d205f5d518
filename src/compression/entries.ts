import { open } from 'node:fs/promises';
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
export async function* openEntries(path: string, limits: Limits): AsyncGenerator<Entry> {
  const start = await firstBytes(path);
  const compression = COMPRESSIONS.find(({ detect }) => detect(start));
  if (compression) yield* compression.entries(path, limits);
}

async function firstBytes(path: string): Promise<Buffer> {
  const file = await open(path);
  try {
    const { bytesRead, buffer } = await file.read(Buffer.alloc(MAGIC_BYTES), 0, MAGIC_BYTES, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}
