import { pipeline, Readable } from 'node:stream';
import { constants, createZstdDecompress } from 'node:zlib';
import { ConnectorError } from '../errors.ts';
import type { SpooledFile } from '../fetch/spooled_file.ts';
import { CHUNK_BYTES, type Compression, type Limits } from './compression.ts';
import { checkExpanded } from './limits.ts';
import { Bytes } from './zstd/bytes.ts';
import { corrupt, MAX_WINDOW_LOG, windowTooLarge } from './zstd/errors.ts';
import { frames, startsFrame } from './zstd/frames.ts';

/** Zstandard (RFC 8878): one or more frames, among which some may have to be skipped; anything else is an error. */
export const zstd: Compression = {
  name: 'zstd',
  detect: startsFrame,
  async *entries(file, limits) {
    yield { name: null, open: () => Readable.from(expand(file, limits), { objectMode: false }) };
  },
};

/**
 * Frame by frame: Node's own stream ends, without a word, after the first frame of a chunk, and what follows is lost
 * (nodejs/node#64741).
 */
async function* expand(file: SpooledFile, limits: Limits): AsyncGenerator<Buffer> {
  const chunks = file.read();
  let size = 0;
  try {
    for await (const frame of frames(new Bytes(chunks))) {
      for await (const chunk of unpack(frame)) {
        size += chunk.length;
        checkExpanded(size, limits);
        yield chunk;
      }
    }
  } catch (error) {
    throw translate(error);
  } finally {
    // Not awaited: a read that waits for the rest of a file ends when its fetch does.
    void chunks.return(undefined);
  }
}

function unpack(frame: AsyncGenerator<Buffer>): AsyncIterable<Buffer> {
  const unpacked = createZstdDecompress({
    chunkSize: CHUNK_BYTES,
    params: { [constants.ZSTD_d_windowLogMax]: MAX_WINDOW_LOG },
  });
  // Errors, also the frame's own, arrive through what is unpacked.
  pipeline(Readable.from(frame, { objectMode: false }), unpacked, () => {});
  return unpacked;
}

function translate(error: unknown): unknown {
  if (error instanceof ConnectorError) return error;
  const { code = '', message } = error as NodeJS.ErrnoException;
  if (code === 'ZSTD_error_frameParameter_windowTooLarge') return windowTooLarge(error);
  if (code === 'ZSTD_error_memory_allocation' || !/^(ZSTD_|Z_)/.test(code)) return error;
  return corrupt(message, error);
}
