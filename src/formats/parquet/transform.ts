/** A "transform": the connector's own DuckDB select over the file, with row numbers added. */
import type { Transform } from '../duckdb_file.ts';
import { quoteName, quoteText } from '../duckdb_quote.ts';

/** Returns the transform of a Parquet file. */
export function ofParquet(path: string, select: string): Transform {
  return { select, file: `read_parquet(${quoteText(path)})`, isParquet: true };
}

/** The column with the row numbers; the name must not collide with a user's column. */
export const ROW_NUMBER = '"s3_connector row"';

/**
 * Returns a `from` item with the transform's rows, numbered from 0 as ROW_NUMBER. It must be one select: see `refusal` in
 * transform_check.ts.
 * @param hidden columns that cannot be read without loss
 */
export function transformed({ file, select }: Transform, hidden: string[]): string {
  const exclude = hidden.length > 0 ? ` exclude (${hidden.map(quoteName).join(', ')})` : '';
  // On its own lines, because it may end with a comment. A final semicolon is removed.
  const query = select.replace(/;\s*$/, '');
  const relation = `file as (select *${exclude} from ${file})`;
  return `(with ${relation} select *, row_number() over () - 1 as ${ROW_NUMBER} from (\n${query}\n))`;
}

/**
 * Returns a `from` item with the same rows and an end row, numbered -1, which DuckDB returns after all others.
 * @param columns the number of columns without the row number
 */
export function withEndRow(source: string, columns: number): string {
  return `(from ${source} union all select ${'null, '.repeat(columns)}-1)`;
}

/** Returns a query that parses the transform; `refusal` in transform_check.ts reads its result. */
export function parseQuery({ select }: Transform): string {
  return `select cast(json_serialize_sql(${quoteText(select)}) as varchar)`;
}
