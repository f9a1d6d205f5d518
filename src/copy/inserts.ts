/** Copies into targets that take no COPY: through a staging table, and INSERT. */
import { quoteTable } from '../table/table.ts';
import type { CopyRows } from './part_copy.ts';
import { CLEAR_STAGING, dropStaging, insertStaged, makeBareStaging } from './staging.ts';

/**
 * Returns a way of copying into a target by INSERT. Each COPY goes into a staging table, and its rows go on from there in the same
 * message.
 * @param copyRows copies into the staging table
 */
export function withInserts(copyRows: CopyRows): CopyRows {
  return async function copyByInserts(copy, destination) {
    // A merge has a staging table of its own.
    if (destination.table !== quoteTable(copy.table)) return await copyRows(copy, destination);
    const staging = await makeBareStaging(copy);
    const { mayLeaveOut } = destination;
    // A scan of a temporary table returns its rows in the order of the COPY.
    const onward = [insertStaged(copy, ''), CLEAR_STAGING];
    const counts = await copyRows(copy, { ...staging, mayLeaveOut, onward });
    await dropStaging(copy);
    return counts;
  };
}
