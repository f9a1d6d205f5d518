/** Creates the target table from the columns of its files. */
import pg from 'pg';
import type { ColumnMapping, Connector } from '../db/schema.ts';
import { ConnectorError } from '../errors.ts';
import type { FileColumn } from '../formats/format.ts';
import { createHypertable, type HypertableSettings } from './hypertable.ts';
import { keyColumns } from './key_columns.ts';
import { type LineageSettings, lineageColumns } from './lineage.ts';
import { shortenNames, truncateName } from './names.ts';
import { asRole, TYPES_PATH } from './role.ts';
import { describeTable, quoteTable, type TableName, type TargetTable } from './table.ts';
import { suggestTimeColumn } from './time_column.ts';

/** The longest name that becomes its column's comment, which every import reads. A row of column_mappings may be as long. */
export const MAX_KEPT_NAME_BYTES = 10_000;

/** The settings of a connector for the table that is created. */
export type CreateSettings = Pick<
  Connector,
  'owner' | 'target_table' | 'time_column' | 'hypertable' | 'rescue_column' | 'hive_columns' | 'primary_key'
> &
  LineageSettings &
  HypertableSettings;

/** A created table, and the notice for its connector; null: none. */
export interface CreatedTable {
  table: TargetTable;
  notice: string | null;
}

/**
 * Creates the target table from the columns of its files and of their keys, with the owner's rights. It is in the caller's
 * transaction: if the file fails, the table is rolled back.
 * @throws ConnectorError `no_time_column`, `no_timescaledb`, `bad_time_column`, `bad_primary_key`
 */
export async function createTable(
  client: pg.ClientBase,
  name: TableName,
  settings: CreateSettings,
  fileColumns: FileColumn[],
  mappings: ColumnMapping[],
): Promise<CreatedTable> {
  const wanted = mapColumns([...fileColumns, ...columnsOfKey(settings, fileColumns)], mappings);
  const shortNames = shortenNames(wanted.map((column) => column.name));
  const columns = wanted.map((column, i) => ({ ...column, name: shortNames[i]! }));
  const timescaledb = await timescaledbSchema(client);
  const time = chooseTimeColumn(settings, columns);
  const makeHypertable = decideHypertable(settings, time, timescaledb);
  const hyperTime = makeHypertable ? time : undefined;
  const key = choosePrimaryKey(settings, columns, hyperTime);
  const create = async () => {
    await client.query(createStatement(name, columns, settings, { time: hyperTime, key }));
    for (const [i, column] of columns.entries()) {
      const longName = wanted[i]!.name;
      if (column.name !== longName && Buffer.byteLength(longName) <= MAX_KEPT_NAME_BYTES)
        await client.query(commentStatement(name, column, longName));
    }
    if (makeHypertable && time) await createHypertable(client, timescaledb!, name, time, settings);
  };
  await asRole(client, settings.owner, create, TYPES_PATH);
  const missed = time !== undefined && timescaledb === null && settings.hypertable === null;
  return {
    table: (await describeTable(client, name, settings.owner))!,
    notice: missed
      ? `${settings.target_table} is a plain table: TimescaleDB is not installed`
      : suggested(settings, makeHypertable, time),
  };
}

/** Returns a notice if the time column was chosen for the user, because it binds all later files. */
function suggested(
  settings: CreateSettings,
  hypertable: boolean,
  time: FileColumn | undefined,
): string | null {
  if (!hypertable || settings.time_column !== null) return null;
  return `${settings.target_table} was made a hypertable along ${time?.name}, which no row may lack; for another column, drop the table, then set time_column, or set hypertable to false`;
}

/** Returns the columns of the key, without those that the file has, too: matching refuses those. */
function columnsOfKey(settings: CreateSettings, fileColumns: FileColumn[]): FileColumn[] {
  return keyColumns(settings).filter(({ name }) => !fileColumns.some((column) => column.name === name));
}

/** Returns the columns of the table: those of the file and its key, and those that are computed from no single one of them. */
function mapColumns(columns: FileColumn[], mappings: ColumnMapping[]): FileColumn[] {
  const bySource = new Map(mappings.map((mapping) => [mapping.source_column, mapping]));
  const mapped = columns.flatMap((column): FileColumn[] => {
    const mapping = bySource.get(column.name);
    if (!mapping) return [column];
    if (mapping.target_column === null) return [];
    const nullable = column.nullable || mapping.expression !== null;
    return [{ name: mapping.target_column, type: mapping.data_type ?? column.type, nullable }];
  });
  const free = mappings.filter(({ source_column }) => source_column === null);
  return [
    ...mapped,
    ...free.map(({ target_column, data_type }) => {
      return { name: target_column!, type: data_type ?? 'text', nullable: true };
    }),
  ];
}

function chooseTimeColumn(settings: CreateSettings, columns: FileColumn[]): FileColumn | undefined {
  if (settings.time_column === null) return suggestTimeColumn(columns);
  const name = truncateName(settings.time_column);
  const named = columns.find((column) => column.name === name);
  if (named) return named;
  throw new ConnectorError(
    'no_time_column',
    `time_column ${settings.time_column} is not among the columns of the file and its key: ${columns.map((column) => column.name).join(', ')}`,
  );
}

function decideHypertable(
  settings: CreateSettings,
  time: FileColumn | undefined,
  timescaledb: string | null,
): boolean {
  // Only a hypertable has a columnstore.
  const asked = settings.hypertable === true || settings.columnstore;
  if (!asked) return settings.hypertable === null && time !== undefined && timescaledb !== null;
  if (timescaledb === null) {
    throw new ConnectorError(
      'no_timescaledb',
      `a hypertable is asked for, but TimescaleDB is not installed in this database`,
      {
        hint: 'Run create extension timescaledb, or set hypertable to null or false.',
      },
    );
  }
  if (time === undefined) {
    throw new ConnectorError(
      'no_time_column',
      'a hypertable is asked for, but no column of the file holds a time in every row',
      {
        hint: 'Name one in time_column.',
      },
    );
  }
  return true;
}

/** Returns the columns of the primary key; none if none is asked for. */
function choosePrimaryKey(
  { primary_key }: CreateSettings,
  columns: FileColumn[],
  time: FileColumn | undefined,
): string[] {
  if (primary_key === null) return [];
  const key = primary_key.map((column) => truncateName(column));
  const missing = key.find((name) => !columns.some((column) => column.name === name));
  if (missing !== undefined) {
    throw new ConnectorError(
      'bad_primary_key',
      `primary_key ${missing} is not among the columns of the file and its key: ${columns.map((column) => column.name).join(', ')}`,
      { hint: 'Name columns of the new table in primary_key.' },
    );
  }
  if (time !== undefined && !key.includes(time.name)) {
    throw new ConnectorError(
      'bad_primary_key',
      `primary_key (${key.join(', ')}) lacks ${time.name}, the time column of the hypertable`,
      { hint: `Add ${time.name} to primary_key, or set hypertable to false.` },
    );
  }
  return key;
}

function createStatement(
  name: TableName,
  columns: FileColumn[],
  settings: CreateSettings,
  { time, key }: { time: FileColumn | undefined; key: string[] },
): string {
  const definitions = columns.map(
    (column) => `${pg.escapeIdentifier(column.name)} ${column.type}${column === time ? ' not null' : ''}`,
  );
  const ownColumns = [...lineageColumns(settings), { name: settings.rescue_column, type: 'jsonb' }];
  for (const { name: own, type } of ownColumns) {
    if (own !== null && !columns.some((column) => column.name === own))
      definitions.push(`${pg.escapeIdentifier(own)} ${type}`);
  }
  if (key.length > 0)
    definitions.push(`primary key (${key.map((column) => pg.escapeIdentifier(column)).join(', ')})`);
  return `create table ${quoteTable(name)} (${definitions.join(', ')})`;
}

/** Keeps the name that was too long: later files are matched with it, in any order. */
function commentStatement(name: TableName, column: FileColumn, longName: string): string {
  const quoted = `${quoteTable(name)}.${pg.escapeIdentifier(column.name)}`;
  return `comment on column ${quoted} is ${pg.escapeLiteral(longName)}`;
}

async function timescaledbSchema(client: pg.ClientBase): Promise<string | null> {
  const { rows } = await client.query<{ schema: string | null }>(
    'select s3_connector_import.timescaledb_schema() as schema',
  );
  return rows[0]?.schema ?? null;
}
