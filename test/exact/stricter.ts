/**
 * Our own refusals, by `files.error_code`: data that COPY would refuse later or with another message, and
 * data that it would accept. No other difference is allowed.
 */
export const STRICTER: Record<string, { why: string; copyRefuses: boolean }> = {
  nul_character: { why: 'named by line and field', copyRefuses: true },
  mixed_newlines: { why: 'named by line', copyRefuses: true },
  ragged_row: {
    why: 'columns are left out or added, so that COPY does not see how many there were',
    copyRefuses: true,
  },
  unterminated_quote: {
    why: 'a header that never ends would be the whole file, and no row',
    copyRefuses: false,
  },
  end_of_data_marker: {
    why: 'before PostgreSQL 18, COPY drops all that follows without a word',
    copyRefuses: false,
  },
  unknown_column: {
    why: 'the header, or the first row, has columns that the table lacks',
    copyRefuses: false,
  },
  null_not_allowed: {
    why: 'the first row has one field too many, which is taken for the identity of the table, as generated always allows COPY',
    copyRefuses: true,
  },
  row_too_large: { why: 'max_row_bytes', copyRefuses: false },
};

/** For COPY, a byte order mark before the first row is data. For us it is not: nobody sees it, and Windows writes it. */
export function withoutByteOrderMark(bytes: Buffer): Buffer {
  return bytes.toString('utf8', 0, 3) === '\ufeff' ? bytes.subarray(3) : bytes;
}
