import type { Bytes } from './bytes.ts';
import { corrupt, MAX_WINDOW_LOG, truncated, unsupported, windowTooLarge } from './errors.ts';

const MAGIC = 0xfd2fb528;
/** The last four bits are free: what is in such a frame is for other programs. */
const SKIPPABLE = 0x184d2a50;
const SKIPPABLE_HEADER = 8;
/** Of a frame's header, with the magic number. */
const LONGEST_HEADER = 18;
const BLOCK_HEADER = 3;
const REPEATED_BYTE = 1;
const RESERVED_BLOCK = 3;
const CHECKSUM = 4;
const DICTIONARY_ID_BYTES = [0, 1, 2, 4];
const CONTENT_SIZE_BYTES = [0, 2, 4, 8];

const isFrame = (bytes: Buffer) => bytes.readUInt32LE() === MAGIC;
const isSkippable = (bytes: Buffer) => (bytes.readUInt32LE() & 0xfffffff0) >>> 0 === SKIPPABLE;

/** Whether a file begins as a frame does. */
export const startsFrame = (start: Buffer) => start.length >= 4 && (isFrame(start) || isSkippable(start));

/**
 * The bytes of each frame that holds data; a frame is to be read to its end before the next.
 * @throws ConnectorError `truncated_zstd`, `corrupt_zstd`, `unsupported_zstd`; here, or from the frames
 */
export async function* frames(bytes: Bytes): AsyncGenerator<AsyncGenerator<Buffer>> {
  for (;;) {
    const header = await bytes.peek(LONGEST_HEADER);
    if (header.length === 0) return;
    if (header.length < 4) throw truncated();
    if (!startsFrame(header)) {
      throw corrupt(`expected a frame, or the end, at byte ${bytes.position}, got other data`);
    }
    if (isFrame(header)) {
      yield frame(bytes, header);
    } else {
      if (header.length < SKIPPABLE_HEADER) throw truncated();
      await bytes.skip(SKIPPABLE_HEADER + header.readUInt32LE(4));
    }
  }
}

async function* frame(bytes: Bytes, header: Buffer): AsyncGenerator<Buffer> {
  const { headerBytes, hasChecksum } = readFrameHeader(header);
  yield* bytes.pass(headerBytes);
  for (let last = false; !last; ) {
    const block = await bytes.peek(BLOCK_HEADER);
    if (block.length < BLOCK_HEADER) throw truncated();
    const bits = block.readUIntLE(0, BLOCK_HEADER);
    const type = (bits >> 1) & 3;
    if (type === RESERVED_BLOCK) throw corrupt(`the block at byte ${bytes.position} is of no known type`);
    last = (bits & 1) === 1;
    yield* bytes.pass(BLOCK_HEADER + (type === REPEATED_BYTE ? 1 : bits >> 3));
  }
  if (hasChecksum) yield* bytes.pass(CHECKSUM);
}

/** Frame_Header_Descriptor, and what it says that follows. */
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
