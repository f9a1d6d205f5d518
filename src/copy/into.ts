import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import pg from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import type { CopyInput, CopyPlan } from '../formats/format.ts';
import { toImportError } from '../sql_errors.ts';
import type { TableColumn } from '../target/table.ts';

/** Bytes that are read ahead of the connection. */
const READ_AHEAD = 1 << 20;

/** Where COPY puts rows: the target table, or a staging table with the same columns. */
export interface Destination {
  /** Quoted, as it stands in a statement. */
  table: string;
  columns: TableColumn[];
}

/** The columns that a plan fills, in the order of COPY's input. */
export function filledColumns(plan: CopyPlan): TableColumn[] {
  const columns = plan.columns.map((column) => column.target);
  return plan.constant ? [...columns, plan.constant.target] : columns;
}

/** A list of columns for a statement, quoted. */
export function quoteColumns(columns: { name: string }[]): string {
  return columns.map((column) => pg.escapeIdentifier(column.name)).join(', ');
}

/**
 * Runs one COPY after the other, on a connection that is in a transaction.
 * @returns rows that the table took
 * @throws ConnectorError what PostgreSQL refused, with line and column; what the reader refused
 */
export async function copyInto(
  client: pg.ClientBase,
  destination: Destination,
  inputs: AsyncIterable<CopyInput> | Iterable<CopyInput>,
  signal: AbortSignal,
): Promise<number> {
  let rows = 0;
  for await (const input of inputs) rows += await copyOnce(client, destination, input, signal);
  return rows;
}

async function copyOnce(
  client: pg.ClientBase,
  destination: Destination,
  input: CopyInput,
  signal: AbortSignal,
): Promise<number> {
  const { table, columns } = destination;
  const copy = client.query(
    copyFrom(`copy ${table} (${quoteColumns(columns)}) from stdin with (${input.options})`),
  );
  try {
    await pipeline(Readable.from(input.data, { objectMode: false, highWaterMark: READ_AHEAD }), copy, {
      signal,
    });
    return copy.rowCount;
  } catch (error) {
    throw toImportError(error, input);
  }
}
