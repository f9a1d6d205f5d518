/** Quotes literals and names for DuckDB's SQL. */
/** Returns a quoted literal. */
export function quoteText(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

/** Returns a quoted name. */
export function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
