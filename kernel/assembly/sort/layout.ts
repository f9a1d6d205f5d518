/** Where things are in the memory of the sort kernel. The host reads the exported numbers. */

/** The natural sequences that wait for a merge: for each its start, its end and its level. */
export const STACK: u32 = 0x400;
/** Room for 1,600 fields, the most that PostgreSQL has. Five words for each field of the order: field, form, words, whether it is descending, whether nulls come first. */
export const ORDER_BY: u32 = 0x1000;
export const ORDER_WORDS: u32 = 5;
/** The fields of the segments. */
export const SEGMENT_BY: u32 = 0xa000;
/** Where the fields of the last row are. */
export const FIELDS: u32 = 0xc000;
/** Sorted rows. FULL_BYTES are enough; the rest is room for the last row. */
export const OUTPUT: u32 = 0x10000;
export const OUTPUT_BYTES: u32 = 0x50000;
export const FULL_BYTES: u32 = OUTPUT_BYTES - 0x10000;
/** The regions whose sizes depend on the run; see `prepare`. */
export const REGIONS: u32 = 0x60000;
/** PADDING bytes after the end of the rows can be read; nothing depends on what they are. */
export const PADDING: u32 = 0x40;

/** How the bytes of a value are compared. */
export const SIGNED: u32 = 0;
export const UNSIGNED: u32 = 1;
export const FLOAT: u32 = 2;
