/** The statements of a person who loads JSON lines by hand. */

export function jsonStatements(table: string, type: 'jsonb' | 'json') {
  return {
    create: `create temp table lines (line ${type})`,
    // CSV with characters that no line has: the text format would take backslashes as its own.
    options: `format csv, quote e'\\x01', delimiter e'\\x02'`,
    insert: `insert into ${table} select r.* from lines, ${type}_populate_record(null::${table}, line) r`,
  };
}
