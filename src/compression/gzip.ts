/** Expands gzip (RFC 1952). */
import { pipeline, Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { ConnectorError } from '../errors.ts';
import type { SpooledFile } from '../fetch/spooled_file.ts';
import { CHUNK_BYTES, type Compression, type Limits } from './compression.ts';
import { checkExpanded } from './limits.ts';

/** One or more members. Zeros may follow (tape padding); anything else after them is an error. */
export const gzip: Compression = {
  name: 'gzip',
  detect: (start) => start[0] === 0x1f && start[1] === 0x8b,
  async *entries(file, limits) {
    yield { name: null, open: () => Readable.from(expand(file, limits), { objectMode: false }) };
  },
};

async function* expand(file: SpooledFile, limits: Limits): AsyncGenerator<Buffer> {
  const gunzip = createGunzip({ chunkSize: CHUNK_BYTES });
  // Only pipeline closes the file when the reader stops; errors arrive through gunzip.
  pipeline(Readable.from(file.read(), { objectMode: false }), gunzip, () => {});
  let size = 0;
  try {
    for await (const chunk of gunzip) {
      size += chunk.length;
      checkExpanded(size, limits);
      yield chunk;
    }
  } catch (error) {
    throw translate(error);
  }
  // Node ends without an error at the first zero after a member, and ignores the rest.
  await expectZeros(file, gunzip.bytesWritten);
}

async function expectZeros(file: SpooledFile, from: number): Promise<void> {
  for await (const chunk of file.read(from)) {
    if (!chunk.every((byte: number) => byte === 0)) {
      throw new ConnectorError(
        'corrupt_gzip',
        `expected the gzip file to end at byte ${from}, got other data after it`,
        { hint: 'Write the file again. Only another gzip member may follow a member.' },
      );
    }
  }
}

function translate(error: unknown): unknown {
  const code = (error as NodeJS.ErrnoException).code ?? '';
  if (code === 'Z_BUF_ERROR') {
    return new ConnectorError('truncated_gzip', 'the gzip file ends in the middle', {
      hint: 'Upload the file again.',
      cause: error,
    });
  }
  if (!code.startsWith('Z_') || code === 'Z_MEM_ERROR') return error;
  return new ConnectorError('corrupt_gzip', `the gzip file is damaged: ${(error as Error).message}`, {
    hint: 'Upload the file again.',
    cause: error,
  });
}
