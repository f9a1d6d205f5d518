/** Expands Zstandard files (RFC 8878). A file has one or more "frames": one run of a compressor writes one. */
import { pipeline, Readable } from 'node:stream';
import { constants, createZstdDecompress } from 'node:zlib';
import { ConnectorError } from '../errors.ts';
import type { SpooledFile } from '../fetch/spooled_file.ts';
import { CHUNK_BYTES, type Compression, type Limits } from './compression.ts';
import { checkExpanded } from './limits.ts';

const MAGIC = 0xfd2fb528;
/** A frame for other programs, which a decompressor skips. The last four bits may be anything. */
const SKIPPABLE = 0x184d2a50;
/** The largest window that the zstd program accepts by default. */
const MAX_WINDOW_LOG = 27;

/** One or more frames, also skippable ones; anything else is an error. */
export const zstd: Compression = {
  name: 'zstd',
  detect: (start) => {
    const magic = start.length >= 4 ? start.readUInt32LE() : 0;
    return magic === MAGIC || (magic & 0xfffffff0) >>> 0 === SKIPPABLE;
  },
  async *entries(file, limits) {
    yield { name: null, open: () => Readable.from(expand(file, limits), { objectMode: false }) };
  },
};

/**
 * Yields the expanded bytes. Each frame has its own decompressor, which starts where the one before it stopped: Node's stream
 * ends without an error after the first frame of a chunk, and would lose the rest (nodejs/node#64741).
 */
async function* expand(file: SpooledFile, limits: Limits): AsyncGenerator<Buffer> {
  let size = 0;
  for (let start = 0; start < file.sizeBytes; ) {
    const frame = createZstdDecompress({
      chunkSize: CHUNK_BYTES,
      params: { [constants.ZSTD_d_windowLogMax]: MAX_WINDOW_LOG },
    });
    // Only pipeline closes the file when the reader stops; errors arrive through the frame.
    pipeline(Readable.from(file.read(start), { objectMode: false }), frame, () => {});
    try {
      for await (const chunk of frame) {
        size += chunk.length;
        checkExpanded(size, limits);
        yield chunk;
      }
    } catch (error) {
      throw translate(error);
    }
    start += frame.bytesWritten;
  }
}

function translate(error: unknown): unknown {
  const { code = '', message } = error as NodeJS.ErrnoException;
  switch (code) {
    case 'Z_BUF_ERROR':
      return new ConnectorError('truncated_zstd', 'the zstd file ends in the middle', {
        hint: 'Upload the file again.',
        cause: error,
      });
    case 'ZSTD_error_frameParameter_windowTooLarge':
      return unsupported(
        `it needs a window of more than ${2 ** (MAX_WINDOW_LOG - 20)} MiB of memory`,
        `Compress it with --long=${MAX_WINDOW_LOG} at most.`,
        error,
      );
    case 'ZSTD_error_dictionary_wrong':
      return unsupported('it was compressed with a dictionary', 'Compress it without a dictionary.', error);
    case 'ZSTD_error_memory_allocation':
      return error;
  }
  if (!code.startsWith('ZSTD_')) return error;
  return new ConnectorError('corrupt_zstd', `the zstd file is damaged: ${message}`, {
    hint: 'Upload the file again.',
    cause: error,
  });
}

function unsupported(what: string, hint: string, cause: unknown): ConnectorError {
  return new ConnectorError('unsupported_zstd', `the zstd file cannot be read: ${what}`, { hint, cause });
}
