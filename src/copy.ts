import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import pg from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import type { CopyInput, CopyPlan } from './formats/format.ts';
import { toImportError } from './sql_errors.ts';
import { quoteTable, type TableName } from './target/table.ts';

/**
 * Copies one part into the table, on a connection that is in a transaction.
 * @returns rows that the table took
 * @throws ConnectorError what PostgreSQL refused, with line and column; what the reader refused
 */
export async function copyPart(
  client: pg.ClientBase,
  table: TableName,
  plan: CopyPlan,
  input: CopyInput,
  signal: AbortSignal,
): Promise<number> {
  const copy = client.query(copyFrom(copyStatement(table, plan, input.options)));
  try {
    await pipeline(Readable.from(input.data, { objectMode: false, highWaterMark: 1 << 20 }), copy, {
      signal,
    });
    return copy.rowCount;
  } catch (error) {
    throw toImportError(error, input);
  }
}

function copyStatement(table: TableName, plan: CopyPlan, options: string): string {
  const targets = plan.columns.map((column) => column.target);
  if (plan.constant) targets.push(plan.constant.target);
  const columns = targets.map((target) => pg.escapeIdentifier(target.name)).join(', ');
  return `copy ${quoteTable(table)} (${columns}) from stdin with (${options})`;
}
