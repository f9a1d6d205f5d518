/** Makes texts of foreign servers and files "storable": fit for PostgreSQL's `text` and `jsonb`. */

/** Returns the text with U+FFFD, the replacement character, for each NUL character and each lone surrogate. */
export function storable(text: string): string {
  return text.replaceAll('\0', '\ufffd').toWellFormed();
}
