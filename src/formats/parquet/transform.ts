import { quoteName, quoteText } from './quote.ts';

/** The column that holds the numbers of a transform's rows; no column of a person's has the name by chance. */
export const ROW_NUMBER = '"s3_connector row"';

/**
 * What a query reads from to get the rows of a connector's transform, numbered from 0 as ROW_NUMBER. The text is one
 * select: see `refusal`.
 * @param hidden columns that cannot be read without loss
 */
export function transformed(path: string, transform: string, hidden: string[]): string {
  const exclude = hidden.length > 0 ? ` exclude (${hidden.map(quoteName).join(', ')})` : '';
  const file = `file as (select *${exclude} from read_parquet(${quoteText(path)}))`;
  // On lines of its own, as it may end in a comment; and a semicolon would be in the way.
  const select = transform.replace(/;\s*$/, '');
  return `(with ${file} select *, row_number() over () - 1 as ${ROW_NUMBER} from (\n${select}\n))`;
}

/**
 * The same rows, and behind them one that marks their end: its number is -1. DuckDB makes it when it has made all others.
 * @param columns how many there are beside the number
 */
export function withEndRow(source: string, columns: number): string {
  return `(from ${source} union all select ${'null, '.repeat(columns)}-1)`;
}

/** A query that says what DuckDB's parser finds in a text; `refusal` reads its answer. */
export function parseQuery(transform: string): string {
  return `select cast(json_serialize_sql(${quoteText(transform)}) as varchar)`;
}

/** Why a text is not one select; null where it is. */
export function refusal(parsed: string): string | null {
  // Only of selects there is a form in JSON.
  const { error, error_message: reason, statements } = JSON.parse(parsed);
  if (error) return String(reason);
  return statements.length === 1 ? null : `expected one statement, got ${statements.length}`;
}
