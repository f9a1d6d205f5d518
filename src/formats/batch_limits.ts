/** The limits of a batch of rows in memory. A batch ends at the first one that it reaches. */
export const BATCH_BYTES = 4 << 20;
/** The batch keeps notes about each row. For a short row, such as an empty line, they take more memory than the row. */
export const BATCH_ROWS = 250_000;
