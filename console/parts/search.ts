/** Search texts. */
/** Returns a pattern for `like`: * matches any text, ? any character. Without them, the text may be anywhere. */
export function containing(search: string): string {
  const escaped = search.replace(/[\\%_]/g, '\\$&');
  if (!/[*?]/.test(search)) return `%${escaped}%`;
  return escaped.replaceAll('*', '%').replaceAll('?', '_');
}
