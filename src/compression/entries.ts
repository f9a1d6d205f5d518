/** Opens the entries of a file. Its content, not its name, decides how it is compressed. */
import { Readable } from 'node:stream';
import { ConnectorError } from '../errors.ts';
import type { SpooledFile } from '../fetch/spooled_file.ts';
import { type Compression, type Entry, type Limits, MAGIC_BYTES } from './compression.ts';
import { gzip } from './gzip.ts';
import { plain } from './plain.ts';
import { unsupported } from './unsupported.ts';
import { zip } from './zip.ts';
import { zstd } from './zstd.ts';

export type { Entry, Limits };

/** The first that detects a file reads it. `plain` detects any file. */
const COMPRESSIONS: Compression[] = [gzip, zip, zstd, ...unsupported, plain];

/**
 * Yields the entries of a file.
 * @throws ConnectorError `expanded_too_large`, `truncated_gzip`, `corrupt_gzip`, `encrypted_zip`,
 *   `unsupported_zip`, `corrupt_zip`, `truncated_zstd`, `corrupt_zstd`, `unsupported_zstd`,
 *   `unsupported_compression`, `nested_compression`; from this function, or from the streams of the entries
 */
export async function* openEntries(file: SpooledFile, limits: Limits): AsyncGenerator<Entry> {
  const compression = find(await firstBytes(file));
  for await (const entry of compression.entries(file, limits)) {
    yield compression === plain ? entry : { ...entry, open: () => openOnce(entry, compression) };
  }
}

function find(start: Buffer): Compression {
  return COMPRESSIONS.find(({ detect }) => detect(start)) ?? plain;
}

/** Opens an entry, and refuses one that is compressed again: it would be read as a strange CSV. */
function openOnce(entry: Entry, outer: Compression): Readable {
  const check = async function* () {
    let first = true;
    for await (const chunk of entry.open()) {
      const inner = first ? find(chunk) : plain;
      if (inner !== plain) throw nested(entry, outer, inner);
      first = false;
      yield chunk;
    }
  };
  return Readable.from(check(), { objectMode: false });
}

function nested({ name }: Entry, outer: Compression, inner: Compression): ConnectorError {
  const what =
    name === null ? `the content of the ${outer.name} file` : `entry "${name}" of the ${outer.name} file`;
  return new ConnectorError('nested_compression', `${what} is compressed again, with ${inner.name}`, {
    hint: 'Compress it only once.',
  });
}

async function firstBytes(file: SpooledFile): Promise<Buffer> {
  let start: Buffer = Buffer.alloc(0);
  for await (const chunk of file.read()) {
    start = Buffer.concat([start, chunk.subarray(0, MAGIC_BYTES)]);
    if (start.length >= MAGIC_BYTES) break;
  }
  return start.subarray(0, MAGIC_BYTES);
}
