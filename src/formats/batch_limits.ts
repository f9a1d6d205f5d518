/** The limits of a batch of rows in memory. It ends at the first that is reached. */
export const BATCH_BYTES = 4 << 20;
/** Rows may be shorter than what is noted of each: an empty line has one byte. */
export const BATCH_ROWS = 250_000;
