/** Where things are in the memory, and the numbers that the module and its host share. The host reads the exported ones. */

/** One byte per field of a record: its kind. */
export const KINDS: u32 = 0x400;
export const KINDS_BYTES: u32 = 0x1000;
/** The unquoted text that means NULL. */
export const NULL_TEXT: u32 = 0x2000;
export const NULL_TEXT_BYTES: u32 = 0x400;
/** The doubles 10^0 to 10^EXACT_POWER. */
export const EXACT_POWERS: u32 = 0x2400;
export const EXACT_POWER: i32 = 22;
/** For each power of ten from LOWEST_POWER to HIGHEST_POWER its first 128 bits: the upper 64, then the lower 64. */
export const POWERS: u32 = 0x3000;
export const LOWEST_POWER: i32 = -64;
export const HIGHEST_POWER: i32 = 40;
/** Binary fields that are appended to each row. */
export const CONSTANTS: u32 = 0x4000;
export const CONSTANTS_BYTES: u32 = 0x8000;
/** The text of a quoted field, without its doubled quotes. */
export const SCRATCH: u32 = 0x10000;
export const SCRATCH_BYTES: u32 = 0x10000;
/** Encoded rows. */
export const OUTPUT: u32 = 0x20000;
/** So many bytes of rows are enough. The rest is room for the last row. */
export const FULL_BYTES: u32 = 0x40000;
export const OUTPUT_BYTES: u32 = FULL_BYTES + 0x10000;
/** The CSV. PADDING bytes after its end can be read; nothing depends on what they are. */
export const INPUT: u32 = 0x80000;
export const INPUT_BYTES: u32 = 0x100000;
export const PADDING: u32 = 0x80;

/** How many bytes longer than its text a value may be, with the room that a copy of 16 bytes at a time needs. */
export const VALUE_ROOM: u32 = 48;

/** The result of a parser: the text is invalid, or its meaning is in doubt. No value ends at this address. */
export const UNSURE: u32 = 0;

export const SKIPPED: u32 = 0;
export const TEXT: u32 = 1;
export const JSONB: u32 = 2;
export const INT2: u32 = 3;
export const INT4: u32 = 4;
export const INT8: u32 = 5;
export const FLOAT4: u32 = 6;
export const FLOAT8: u32 = 7;
export const NUMERIC: u32 = 8;
export const BOOLEAN: u32 = 9;
export const UUID: u32 = 10;
export const BYTEA: u32 = 11;
export const DATE: u32 = 12;
export const TIME: u32 = 13;
export const TIMESTAMP: u32 = 14;
export const ZONED: u32 = 15;
export const UTC: u32 = 16;
