/** Turns a table into a hypertable of TimescaleDB. */
import pg from 'pg';
import type { Connector } from '../db/schema.ts';
import { ConnectorError } from '../errors.ts';
import type { FileColumn } from '../formats/format.ts';
import { quoteTable, type TableName } from './table.ts';

export type HypertableSettings = Pick<
  Connector,
  'chunk_interval' | 'columnstore' | 'segment_by' | 'order_by'
>;

/**
 * Makes a table a hypertable, with a columnstore if the connector has one
 * (https://docs.tigerdata.com/api/latest/hypertable/create_hypertable/, .../hypercore/alter_table/).
 * @param timescaledb the schema that holds TimescaleDB's functions
 * @throws ConnectorError `bad_time_column`, `bad_columnstore`
 */
export async function createHypertable(
  client: pg.ClientBase,
  timescaledb: string,
  name: TableName,
  time: FileColumn,
  settings: HypertableSettings,
): Promise<void> {
  const schema = pg.escapeIdentifier(timescaledb);
  await client
    .query(`select ${schema}.create_hypertable($1::regclass, ${schema}.by_range($2::name, $3::interval))`, [
      quoteTable(name),
      time.name,
      settings.chunk_interval,
    ])
    .catch((error) => {
      throw isRefusedDimension(error) ? badTimeColumn(error, time, settings.chunk_interval) : error;
    });
  if (settings.columnstore) await enableColumnstore(client, schema, name, time, settings);
}

async function enableColumnstore(
  client: pg.ClientBase,
  schema: string,
  name: TableName,
  time: FileColumn,
  settings: HypertableSettings,
): Promise<void> {
  const options = ['timescaledb.enable_columnstore'];
  if (settings.segment_by)
    options.push(`timescaledb.segmentby = ${listLiteral(settings.segment_by, quoteColumn)}`);
  // The default order is also TimescaleDB's, but files can be sorted only by a declared one. Without segments TimescaleDB
  // chooses, because it finds segments in the first rows of a chunk.
  const bySegments = settings.segment_by !== null && !settings.segment_by.includes(time.name);
  const orderBy = settings.order_by ?? (bySegments ? [`${time.name} desc`] : null);
  if (orderBy) options.push(`timescaledb.orderby = ${listLiteral(orderBy, quoteOrder)}`);
  try {
    await client.query(`alter table ${quoteTable(name)} set (${options.join(', ')})`);
    // Compresses chunks that are no longer written to, one chunk_interval after their end.
    await client.query(
      `call ${schema}.add_columnstore_policy(${pg.escapeLiteral(quoteTable(name))}, after => interval ${pg.escapeLiteral(settings.chunk_interval)})`,
    );
  } catch (error) {
    throw error instanceof pg.DatabaseError ? badColumnstore(error) : error;
  }
}

function listLiteral(items: string[], quote: (item: string) => string): string {
  return pg.escapeLiteral(items.map(quote).join(', '));
}

function quoteColumn(name: string): string {
  return pg.escapeIdentifier(name);
}

/** Quotes the column of an item of order_by: `time desc nulls last`. The column is the first word at least. */
function quoteOrder(item: string): string {
  const words = item.match(/\S+/g) ?? [];
  const wordAt = (fromEnd: number) => (words.length > fromEnd ? words.at(-fromEnd)!.toLowerCase() : '');
  const nulls = wordAt(2) === 'nulls' && ['first', 'last'].includes(wordAt(1)) ? 2 : 0;
  const ways = ['asc', 'desc'].includes(wordAt(nulls + 1)) ? 1 : 0;
  const direction = words.slice(words.length - nulls - ways);
  const end = direction.reduceRight((at, word) => item.lastIndexOf(word, at - word.length), item.length);
  return [pg.escapeIdentifier(item.slice(0, end).trim()), ...direction].join(' ');
}

/** Returns whether the column's type (42809, wrong_object_type) or the interval for it (22023) was refused. */
function isRefusedDimension(error: unknown): error is pg.DatabaseError {
  return error instanceof pg.DatabaseError && ['42809', '22023'].includes(error.code ?? '');
}

function badTimeColumn(error: pg.DatabaseError, time: FileColumn, chunkInterval: string): ConnectorError {
  return new ConnectorError(
    'bad_time_column',
    `column ${time.name} (${time.type}) cannot be a hypertable's time column with chunk_interval ${chunkInterval}: ${error.message}`,
    {
      hint: 'It must be a timestamptz, a timestamp or, with a chunk_interval of whole days, a date. Name another column in time_column, or give it such a type in column_mappings.',
      cause: error,
    },
  );
}

function badColumnstore(error: pg.DatabaseError): ConnectorError {
  return new ConnectorError('bad_columnstore', `the columnstore cannot be set up: ${error.message}`, {
    hint: 'Use TimescaleDB 2.18 or newer, and name only columns of the file in segment_by and order_by.',
    cause: error,
  });
}
