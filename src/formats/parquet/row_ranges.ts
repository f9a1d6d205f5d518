import { open } from 'node:fs/promises';
import type { SpooledFile } from '../../fetch/spooled_file.ts';
import type { RowGroup } from './protocol.ts';

/** The last bytes of a file: the length of its footer, and four letters (https://parquet.apache.org/docs/file-format/). */
const END_BYTES = 8;
const MAGIC = 'PAR1';
/** What a reader may read behind a row group, where it looks for the header of a page. */
const BEHIND_BYTES = 1 << 10;
/** Fewer bytes than that are not worth a query; at the start, where the database has nothing to do yet, that is fewer. */
const RANGE_BYTES = { first: 1 << 20, others: 8 << 20 };

/** Rows of a file, from the first up to, not including, the last, counted from 0. */
export interface RowRange {
  from: number;
  to: number;
}

/** Waits until the footer of a file can be read, which is at its end; in a file that is none, until all of it is there. */
export async function waitForFooter(file: SpooledFile): Promise<void> {
  await file.reachTail(END_BYTES);
  const length = await footerLength(file);
  await (length === null ? file.whole() : file.reachTail(length + END_BYTES));
}

async function footerLength({ path, sizeBytes }: SpooledFile): Promise<number | null> {
  const end = Buffer.alloc(END_BYTES);
  const handle = await open(path);
  try {
    await handle.read(end, 0, END_BYTES, Math.max(0, sizeBytes - END_BYTES));
  } finally {
    await handle.close();
  }
  const length = end.readUInt32LE(0);
  return end.toString('latin1', 4) === MAGIC && length + END_BYTES <= sizeBytes ? length : null;
}

/**
 * The rows of a file that is still being fetched, stretch by stretch, as soon as all that is theirs is there.
 * @param groups as the footer lists them
 */
export async function* rowRanges(file: SpooledFile, groups: RowGroup[]): AsyncGenerator<RowRange> {
  const ends = safeEnds(groups, file.sizeBytes);
  let row = 0;
  for (let next = 0; next < groups.length; ) {
    const start = next > 0 ? ends[next - 1]! : 0;
    // Each as long as all before it together, up to a limit.
    const bytes = Math.min(Math.max(start, RANGE_BYTES.first), RANGE_BYTES.others);
    const wanted = ends.findIndex((end, i) => i >= next && end >= start + bytes);
    await file.reach(wanted === -1 ? file.sizeBytes : ends[wanted]!);
    const from = row;
    for (; next < groups.length && ends[next]! <= file.available; next++) row += groups[next]!.rows;
    yield { from, to: row };
  }
}

/**
 * For each row group, up to where the file must be there. Bytes that are not there yet would be read as zeros, and might
 * pass for values: so what writers say of a group's size is not relied on, and the group that lies behind must be there, too.
 */
function safeEnds(groups: RowGroup[], sizeBytes: number): number[] {
  let reached = 0;
  return groups.map((group, i) => {
    const behind = groups[i + 1]?.end ?? sizeBytes;
    reached = Math.max(reached, group.end, behind);
    const isKnown = Number.isFinite(reached) && group.end > group.start;
    return isKnown ? Math.min(sizeBytes, reached + BEHIND_BYTES) : sizeBytes;
  });
}
