/** Splits a Parquet file that is still being fetched into "row ranges": consecutive row groups that are read together. */
import { open } from 'node:fs/promises';
import type { SpooledFile } from '../../fetch/spooled_file.ts';
import type { RowGroup } from './protocol.ts';

/** A file ends with the length of its footer and MAGIC (https://parquet.apache.org/docs/file-format/). */
const END_BYTES = 8;
const MAGIC = 'PAR1';
/** How far a reader may read beyond a row group, looking for the header of a page. */
const READ_AHEAD_BYTES = 1 << 10;
/** The least size of a range that is worth a query. The first is smaller, because the database is idle until it arrives. */
const RANGE_BYTES = { first: 1 << 20, others: 8 << 20 };

/** Rows `from` to `to` (excluded), counted from 0. */
export interface RowRange {
  from: number;
  to: number;
}

/** Waits until the footer, at the end of the file, is there. If the file is not Parquet, waits for the whole file. */
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
 * Yields row ranges of a file that is still being fetched, each as soon as all its bytes are there.
 * @param groups in the footer's order
 */
export async function* rowRanges(file: SpooledFile, groups: RowGroup[]): AsyncGenerator<RowRange> {
  const ends = safeEnds(groups, file.sizeBytes);
  let row = 0;
  for (let next = 0; next < groups.length; ) {
    const start = next > 0 ? ends[next - 1]! : 0;
    // Each range is as long as all before it together, up to a limit.
    const bytes = Math.min(Math.max(start, RANGE_BYTES.first), RANGE_BYTES.others);
    const wanted = ends.findIndex((end, i) => i >= next && end >= start + bytes);
    await file.reach(wanted === -1 ? file.sizeBytes : ends[wanted]!);
    const from = row;
    for (; next < groups.length && ends[next]! <= file.available; next++) row += groups[next]!.rows;
    yield { from, to: row };
  }
}

/**
 * Returns for each row group up to which byte the file must be there before the group is read. Missing bytes would be read
 * as zeros, and could be taken for values. Writers may be wrong about a group's size, so the next group must be there too.
 */
function safeEnds(groups: RowGroup[], sizeBytes: number): number[] {
  let needed = 0;
  return groups.map((group, i) => {
    const nextEnd = groups[i + 1]?.end ?? sizeBytes;
    needed = Math.max(needed, group.end, nextEnd);
    const isKnown = Number.isFinite(needed) && group.end > group.start;
    return isKnown ? Math.min(sizeBytes, needed + READ_AHEAD_BYTES) : sizeBytes;
  });
}
