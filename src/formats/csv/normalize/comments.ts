/** Column names in comments: https://www.w3.org/TR/WD-logfile.html, the extended log format. */

/** What a comment begins with that names the columns. */
const FIELDS = 'Fields:';

/**
 * Returns the names that a comment has, for example of the line `#Fields: date time`; null if it has none. The standard separates them
 * with blanks, but some programs as they separate values.
 * @param comment the line without the prefix of comments
 */
export function namesInComment(
  comment: string,
  { delimiter, quote }: { delimiter: string; quote: string },
): string[] | null {
  const text = comment.trim();
  if (!text.startsWith(FIELDS)) return null;
  const list = text.slice(FIELDS.length).trim();
  if (delimiter.trim() === '' || !list.includes(delimiter)) return list.split(/\s+/);
  return list.split(delimiter).map((name) => unquoted(name.trim(), quote));
}

function unquoted(name: string, quote: string): string {
  const isQuoted = quote !== '' && name.length > 1 && name.startsWith(quote) && name.endsWith(quote);
  return isQuoted ? name.slice(1, -1) : name;
}
