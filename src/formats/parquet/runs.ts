/** Sorts the rows of a Parquet file in runs, as they are read, for tables with a columnstore. */
import { rowsDoNotAddUp } from '../../reconcile.ts';
import { whenWritten } from '../../written_buffers.ts';
import { quoteText } from '../duckdb_quote.ts';
import type { ValueKind } from '../pg_binary/kinds.ts';
import { CountedRows, type RowBytes } from '../row_bytes.ts';
import type { RowOrder } from '../sort/row_order.ts';
import { type SortedSection, sortSections } from '../sort/sorted_sections.ts';
import { BUFFER_BYTES, giveBack } from '../spare_buffers.ts';
import type { BinaryKind } from './binary/kinds.ts';
import type { ReaderColumn } from './protocol.ts';

/** Kinds of values, by how they are written. Others are not compared. */
export const COMPARED: Partial<Record<BinaryKind, ValueKind>> = {
  boolean: 'boolean',
  int2: 'smallint',
  int4: 'integer',
  int8: 'bigint',
  float4: 'real',
  float8: 'double precision',
  date: 'date',
  timestamp: 'timestamp without time zone',
  uuid: 'uuid',
  bytes: 'text',
};

/**
 * Returns a query that tells, as text, whether the row groups are in the order of a column or in the opposite order, by
 * their statistics. Null: some have none.
 */
export function inOrderQuery(path: string, { name, duckdbType }: ReaderColumn): string {
  const groups = `select row_group_id as id, try_cast(stats_min_value as ${duckdbType}) as first,
      try_cast(stats_max_value as ${duckdbType}) as last
    from parquet_metadata(${quoteText(path)}) where path_in_schema = ${quoteText(name)}`;
  const withBefore = `select *, lag(first) over (order by id) as first_before, lag(last) over (order by id) as last_before
    from (${groups})`;
  return `select cast(case when count(first) = count(*) and count(last) = count(*)
      then bool_and(coalesce(first >= last_before, true)) or bool_and(coalesce(last <= first_before, true)) end as varchar)
    from (${withBefore})`;
}

/**
 * Yields the rows of each run, sorted.
 * @throws ConnectorError `rows_do_not_add_up` if the number of sorted rows differs from the reader's
 */
export async function* sortRows(rows: RowBytes, order: RowOrder): AsyncGenerator<SortedSection, undefined> {
  const counted = new CountedRows(rows);
  let sorted = 0;
  for await (const section of sortSections(unsorted(counted), order)) {
    if (section.kind !== 'sorted') continue;
    const { data } = section;
    sorted += section.rows;
    if (data.buffer.byteLength === BUFFER_BYTES) whenWritten(data, () => giveBack(data.buffer));
    yield section;
  }
  if (sorted !== counted.count) throw rowsDoNotAddUp(`${counted.count} rows were read, but ${sorted} sorted`);
}

async function* unsorted(rows: CountedRows) {
  for await (const data of rows) yield { kind: 'binary' as const, data: data as Uint8Array<ArrayBuffer> };
}
