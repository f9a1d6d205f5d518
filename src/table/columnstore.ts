/** Describes the "columnstore" of a hypertable: how TimescaleDB compresses and sorts its rows. */
import type pg from 'pg';
import type { SortKey } from '../formats/format.ts';
import type { TableName } from './table.ts';

/** A columnstore that COPY can write into. */
export interface Columnstore {
  timeColumn: string;
  /** The order of its rows: segment_by, then order_by. Null if TimescaleDB chooses an order itself. */
  keys: SortKey[] | null;
  /** How TOAST compresses its values. Null if someone has configured that. */
  toastCompression: 'lz4' | null;
}

interface DescribedColumnstore {
  time_column: string;
  toast_compression: 'lz4' | null;
  keys:
    | { column: string; segment: boolean; descending: boolean; nulls_first: boolean; by_bytes: boolean }[]
    | null;
}

/** Returns null if the table has no columnstore, or COPY cannot write straight into it. */
export async function describeColumnstore(
  client: pg.ClientBase,
  { schema, table }: TableName,
): Promise<Columnstore | null> {
  const { rows } = await client.query<{ found: DescribedColumnstore | null }>(
    `select case when s3_connector_import.can_compress_directly()
       then s3_connector_import.describe_columnstore($1, $2) end as found`,
    [schema, table],
  );
  const found = rows[0]?.found;
  if (!found) return null;
  const keys = found.keys?.map((key) => ({
    column: key.column,
    segment: key.segment,
    descending: key.descending,
    nullsFirst: key.nulls_first,
    byBytes: key.by_bytes,
  }));
  return { timeColumn: found.time_column, keys: keys ?? null, toastCompression: found.toast_compression };
}
