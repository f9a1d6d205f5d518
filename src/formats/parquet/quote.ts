/** A literal for a statement of DuckDB's. */
export function quoteText(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

/** A name for a statement of DuckDB's. */
export function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
