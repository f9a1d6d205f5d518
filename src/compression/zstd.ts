import { createReadStream } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { pipeline, Readable } from 'node:stream';
import { constants, createZstdDecompress } from 'node:zlib';
import { ConnectorError } from '../errors.ts';
import { CHUNK_BYTES, type Compression, type Limits } from './compression.ts';
import { checkExpanded } from './limits.ts';

const MAGIC = 0xfd2fb528;
/** The last four bits are free: what they skip is for other programs. */
const SKIPPABLE = 0x184d2a50;
/** What the zstd program itself expands without being told that it may take more memory. */
const MAX_WINDOW_LOG = 27;
/** Of a frame's header, with the magic number; a skippable one has 8. */
const LONGEST_HEADER = 18;

/** Zstandard (RFC 8878): one or more frames, among which some may have to be skipped; anything else is an error. */
export const zstd: Compression = {
  name: 'zstd',
  detect: (start) => start.length >= 4 && (isFrame(start) || isSkippable(start)),
  async *entries(path, limits) {
    yield { name: null, open: () => Readable.from(expand(path, limits), { objectMode: false }) };
  },
};

const isFrame = (bytes: Buffer) => bytes.readUInt32LE() === MAGIC;
const isSkippable = (bytes: Buffer) => (bytes.readUInt32LE() & 0xfffffff0) >>> 0 === SKIPPABLE;

/**
 * Frame by frame: Node's own stream ends, without a word, after the first frame of a chunk, and what follows is lost
 * (nodejs/node#64741).
 */
async function* expand(path: string, limits: Limits): AsyncGenerator<Buffer> {
  let size = 0;
  for await (const frame of frames(path)) {
    const unpack = createZstdDecompress({
      chunkSize: CHUNK_BYTES,
      params: { [constants.ZSTD_d_windowLogMax]: MAX_WINDOW_LOG },
    });
    // Only pipeline closes the file when the reader goes away; errors arrive through unpack.
    pipeline(createReadStream(path, { start: frame.start, end: frame.end - 1 }), unpack, () => {});
    try {
      for await (const chunk of unpack) {
        size += chunk.length;
        checkExpanded(size, limits);
        yield chunk;
      }
    } catch (error) {
      throw translate(error);
    }
  }
}

/** Where data lies: from the first byte up to, and without, the last. */
interface Frame {
  start: number;
  end: number;
}

/** The frames that hold data, found by their headers and those of their blocks. */
async function* frames(path: string): AsyncGenerator<Frame> {
  const file = await open(path);
  try {
    const { size } = await file.stat();
    for (let start = 0; start < size; ) {
      const header = await bytesAt(file, start, LONGEST_HEADER);
      if (header.length < 4) throw truncated();
      if (!isFrame(header) && !isSkippable(header)) {
        throw corrupt(`expected a frame, or the end, at byte ${start}, got other data`);
      }
      const end = isFrame(header) ? await frameEnd(file, start, header) : skippedEnd(start, header);
      if (end > size) throw truncated();
      if (isFrame(header)) yield { start, end };
      start = end;
    }
  } finally {
    await file.close();
  }
}

function skippedEnd(start: number, header: Buffer): number {
  if (header.length < 8) throw truncated();
  return start + 8 + header.readUInt32LE(4);
}

/** @throws ConnectorError `unsupported_zstd` */
async function frameEnd(file: FileHandle, start: number, header: Buffer): Promise<number> {
  const { headerBytes, hasChecksum } = readFrameHeader(header);
  let at = start + headerBytes;
  for (let last = false; !last; ) {
    const block = await bytesAt(file, at, 3);
    if (block.length < 3) throw truncated();
    const bits = block.readUIntLE(0, 3);
    const type = (bits >> 1) & 3;
    if (type === RESERVED_BLOCK) throw corrupt(`block at byte ${at} is of no known type`);
    last = (bits & 1) === 1;
    at += 3 + (type === REPEATED_BYTE ? 1 : bits >> 3);
  }
  return at + (hasChecksum ? 4 : 0);
}

const REPEATED_BYTE = 1;
const RESERVED_BLOCK = 3;
const DICTIONARY_ID_BYTES = [0, 1, 2, 4];
const CONTENT_SIZE_BYTES = [0, 2, 4, 8];

/** Frame_Header_Descriptor and what it says that follows. */
function readFrameHeader(header: Buffer): { headerBytes: number; hasChecksum: boolean } {
  const descriptor = header[4];
  if (descriptor === undefined) throw truncated();
  const singleSegment = (descriptor & 0x20) !== 0;
  const dictionaryBytes = DICTIONARY_ID_BYTES[descriptor & 3]!;
  const sizeBytes = CONTENT_SIZE_BYTES[descriptor >> 6]! || (singleSegment ? 1 : 0);
  const headerBytes = 5 + (singleSegment ? 0 : 1) + dictionaryBytes + sizeBytes;
  if (header.length < headerBytes) throw truncated();
  if (dictionaryBytes > 0 && header.readUIntLE(singleSegment ? 5 : 6, dictionaryBytes) !== 0) {
    throw unsupported('it was compressed with a dictionary', 'Compress it without a dictionary.');
  }
  if (!singleSegment && 10 + (header[5]! >> 3) > MAX_WINDOW_LOG) throw windowTooLarge();
  return { headerBytes, hasChecksum: (descriptor & 4) !== 0 };
}

async function bytesAt(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const { bytesRead, buffer } = await file.read(Buffer.alloc(length), 0, length, position);
  return buffer.subarray(0, bytesRead);
}

function translate(error: unknown): unknown {
  if (error instanceof ConnectorError) return error;
  const { code = '', message } = error as NodeJS.ErrnoException;
  if (code === 'ZSTD_error_frameParameter_windowTooLarge') return windowTooLarge(error);
  if (code === 'ZSTD_error_memory_allocation' || !/^(ZSTD_|Z_)/.test(code)) return error;
  return corrupt(message, error);
}

function truncated(): ConnectorError {
  return new ConnectorError('truncated_zstd', 'the zstd file ends in the middle', {
    hint: 'Upload the file again.',
  });
}

function corrupt(what: string, cause?: unknown): ConnectorError {
  return new ConnectorError('corrupt_zstd', `the zstd file is damaged: ${what}`, {
    hint: 'Upload the file again.',
    cause,
  });
}

function unsupported(what: string, hint: string, cause?: unknown): ConnectorError {
  return new ConnectorError('unsupported_zstd', `the zstd file cannot be read: ${what}`, { hint, cause });
}

function windowTooLarge(cause?: unknown): ConnectorError {
  const limit = (2 ** MAX_WINDOW_LOG) >> 20;
  return unsupported(
    `it takes a window of more than ${limit} MiB of memory`,
    `Compress it with --long=${MAX_WINDOW_LOG} at most.`,
    cause,
  );
}
