/** A pattern for `like`: * is any text and ? any character; a text without them may stand anywhere. */
export function containing(search: string): string {
  const escaped = search.replace(/[\\%_]/g, '\\$&');
  if (!/[*?]/.test(search)) return `%${escaped}%`;
  return escaped.replaceAll('*', '%').replaceAll('?', '_');
}
