/** Reads records from chunks: "windows" are the bytes of whole chunks that a finder has loaded, with what they did not complete. */
import { isUtf8 } from 'node:buffer';
import { type FinderOptions, RecordFinder } from './finder.ts';
import type { RecordReader } from './record.ts';

const NO_BYTES: Buffer = Buffer.alloc(0);
const MARK = Buffer.from([0xef, 0xbb, 0xbf]);

/**
 * Yields a finder each time that it has loaded a window. Call its `next` until it needs more.
 * @param chunks of UTF-8; a byte order mark at the start is skipped
 */
export async function* readWindows(
  chunks: AsyncIterable<Buffer>,
  reader: RecordReader,
  options: FinderOptions,
): AsyncGenerator<RecordWindow> {
  const finder = new RecordFinder(reader, options);
  let rest = NO_BYTES;
  let waiting: Buffer[] = [];
  let waitingBytes = 0;
  let isStart = true;
  for await (const chunk of chunks) {
    waiting.push(chunk);
    waitingBytes += chunk.length;
    // A record of many chunks is read again and again: twice as many each time, so that the sum stays small.
    if (waitingBytes < rest.length || (isStart && waitingBytes < MARK.length)) continue;
    const bytes = withoutMark(Buffer.concat([rest, ...waiting]), isStart);
    isStart = false;
    waiting = [];
    waitingBytes = 0;
    yield load(finder, bytes, false);
    rest = bytes.subarray(finder.at);
  }
  const bytes = withoutMark(Buffer.concat([rest, ...waiting]), isStart);
  if (bytes.length > 0 || !finder.isComplete) yield load(finder, bytes, true);
}

/** A loaded finder. */
export interface RecordWindow {
  finder: RecordFinder;
  /** Whether all of the window is UTF-8. Otherwise each record is checked. */
  isText: boolean;
}

function load(finder: RecordFinder, bytes: Buffer, isLast: boolean): RecordWindow {
  finder.load(bytes, isLast);
  return { finder, isText: isUtf8(bytes.subarray(0, isLast ? bytes.length : characterEnd(bytes))) };
}

/** The end of the bytes without a character that is cut at the end. */
function characterEnd(bytes: Buffer): number {
  let at = bytes.length - 1;
  for (let back = 0; back < 3 && at > 0 && (bytes[at]! & 0xc0) === 0x80; back++) at--;
  return at >= 0 && bytes[at]! >= 0xc0 ? at : bytes.length;
}

function withoutMark(bytes: Buffer, isStart: boolean): Buffer {
  return isStart && bytes.subarray(0, MARK.length).equals(MARK) ? bytes.subarray(MARK.length) : bytes;
}
