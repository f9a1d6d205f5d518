/** A "transform": the connector's own DuckDB select over the file, with row numbers added. */
import { quoteName, quoteText } from './quote.ts';

/** The column with the row numbers; the name must not collide with a user's column. */
export const ROW_NUMBER = '"s3_connector row"';

/**
 * Returns a `from` item with the transform's rows, numbered from 0 as ROW_NUMBER. It must be one select: see `refusal` in
 * transform_check.ts.
 * @param hidden columns that cannot be read without loss
 */
export function transformed(path: string, transform: string, hidden: string[]): string {
  const exclude = hidden.length > 0 ? ` exclude (${hidden.map(quoteName).join(', ')})` : '';
  const file = `file as (select *${exclude} from read_parquet(${quoteText(path)}))`;
  // On its own lines, because it may end with a comment. A final semicolon is removed.
  const select = transform.replace(/;\s*$/, '');
  return `(with ${file} select *, row_number() over () - 1 as ${ROW_NUMBER} from (\n${select}\n))`;
}

/**
 * Returns a `from` item with the same rows and an end row, numbered -1, which DuckDB returns after all others.
 * @param columns the number of columns without the row number
 */
export function withEndRow(source: string, columns: number): string {
  return `(from ${source} union all select ${'null, '.repeat(columns)}-1)`;
}

/** Returns a query that parses the transform; `refusal` in transform_check.ts reads its result. */
export function parseQuery(transform: string): string {
  return `select cast(json_serialize_sql(${quoteText(transform)}) as varchar)`;
}
