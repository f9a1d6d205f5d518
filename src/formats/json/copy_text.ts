/** Writes values of COPY's text format: https://www.postgresql.org/docs/current/sql-copy.html, under "Text Format". */

const ESCAPED: Record<string, string> = { '\\': '\\\\', '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/** Returns a value; null for NULL. */
export function copyText(value: string | null): string {
  return value === null ? '\\N' : value.replace(/[\\\n\r\t]/g, (char) => ESCAPED[char]!);
}
