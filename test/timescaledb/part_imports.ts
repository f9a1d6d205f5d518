/** Imports files in this process, without their records: what copies a part, on any client that has our functions. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type pg from 'pg';
import { copyPart } from '../../src/copy.ts';
import type { ReadConnector } from '../../src/db/schema.ts';
import { SpooledFile } from '../../src/fetch/spooled_file.ts';
import { EncoderThread } from '../../src/formats/encoder/encoder_thread.ts';
import type { FilePart, FormatTools } from '../../src/formats/format.ts';
import { Reader } from '../../src/formats/parquet/reader_process.ts';
import { openDuckdbFile } from '../../src/formats/parquet.ts';
import { Pool } from '../../src/formats/pool.ts';
import { FORMATS } from '../../src/formats/registry.ts';
import type { RowCounts } from '../../src/reconcile.ts';
import { planColumns } from '../../src/table/change_columns.ts';
import { createTable } from '../../src/table/create.ts';
import { describeTable, type TargetTable } from '../../src/table/table.ts';
import { PLAIN_CSV } from '../support/plain_csv.ts';

export const CONNECTOR = {
  owner: 'postgres',
  time_zone: 'UTC',
  format: PLAIN_CSV,
  time_column: 'at',
  hypertable: true,
  chunk_interval: '7 days',
  columnstore: false,
  segment_by: null,
  primary_key: null,
  order_by: null,
  file_id_column: 'file_id',
  file_key_column: null,
  line_column: null,
  rescue_column: null,
  hive_columns: null,
  transform: null,
  match_columns_by: 'name',
  on_unknown_column: 'fail',
  on_missing_column: 'default',
  on_type_mismatch: 'fail',
  on_conflict: 'fail',
  on_bad_row: 'fail',
  max_row_bytes: 2 ** 21,
  max_file_bytes: 2 ** 30,
  max_rows: null,
  change_column: null,
  change_values: null,
  sequence_column: null,
  change_map: null,
};

export interface PartImports {
  /** Commits, or leaves a transaction that failed. */
  importFile(
    table: string,
    body: Buffer,
    settings: Partial<ReadConnector>,
    id?: number,
    format?: 'parquet' | 'csv',
  ): Promise<RowCounts>;
  query<T extends object = Record<string, unknown>>(text: string, values?: unknown[]): Promise<T[]>;
  close(): Promise<void>;
}

/** @param owner the connector's */
export async function openPartImports(client: pg.ClientBase, owner = 'postgres'): Promise<PartImports> {
  const directory = await mkdtemp(join(tmpdir(), 's3-connector-parts-'));
  const limits = { memory: '192MB', threads: 1, stallMs: 60_000 };
  const readers = new Pool(() => new Reader(directory, limits), 1);
  const sorters = new Pool(() => new Reader(directory, limits), 1);
  const encoders = new Pool(() => new EncoderThread(), 1);
  const config = { encodeCsvFromBytes: 0, csvKernel: 'on', allowTransform: false } as const;
  // A run of sorted rows has some 200 rows.
  const tools: FormatTools = { config, readers, sorters, encoders, runBytes: 20_000, openDuckdbFile };
  const { signal } = new AbortController();
  const query = async (text: string, values?: unknown[]) => (await client.query(text, values)).rows;

  async function findTable(table: string, connector: ReadConnector, part: FilePart): Promise<TargetTable> {
    const name = { schema: 'public', table };
    const found = await describeTable(client, name, owner);
    if (found) return found;
    await query('begin');
    const made = await createTable(client, name, connector, (await part.inferColumns())!, []);
    await query('commit');
    return made.table;
  }

  return {
    query,
    async importFile(table, body, settings, id = 1, format = 'parquet') {
      const connector = { ...CONNECTOR, owner, target_table: table, ...settings } as ReadConnector;
      const file = SpooledFile.inMemory(join(directory, `${table}.${id}`), body);
      const parts = FORMATS[format].parts(file, connector, tools, signal);
      const { value: part } = await parts[Symbol.asyncIterator]().next();
      const target = await findTable(table, connector, part);
      const plan = await planColumns(part, target, { connector, mappings: [], file: { id, key: table } });
      await query('begin');
      const counts = await copyPart({
        client,
        file: { id } as never,
        connector,
        mappings: [],
        token: null,
        table: target,
        part,
        plan,
        rejectedBefore: 0,
        timeoutMs: 600_000,
        signal,
      });
      await query('commit');
      return counts;
    },
    async close() {
      await Promise.all([readers.close(), sorters.close(), encoders.close()]);
      await rm(directory, { recursive: true, force: true });
    },
  };
}
