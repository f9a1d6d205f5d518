/** Reads what a step of the setup has to know: the connector, its target table, and what the database offers. */
import type { ConsoleDatabase } from '../database.ts';
import { sql } from '../sql.ts';
import { type Column, type Draft, readColumns, readDraft } from './draft.ts';
import { findTriedKey } from './preflight.ts';
import { fieldOf, storedValue } from './settings.ts';
import type { StepContext } from './step.ts';
import { readTable } from './tables.ts';

/**
 * Returns the context of a step.
 * @param name the connector; undefined for a new one. The draft is undefined if there is no such connector.
 * @param values those of a form that was sent; undefined to show the stored ones
 */
export async function readContext(
  db: ConsoleDatabase,
  name: string | undefined,
  values: URLSearchParams | undefined,
): Promise<StepContext> {
  const [columns, draft, formats, hasTimescaledb] = await Promise.all([
    readColumns(db),
    name ? readDraft(db, name) : undefined,
    readFormats(db),
    readHasTimescaledb(db),
  ]);
  const value = valueIn(columns, draft, values);
  const [table, triedKey] = await Promise.all([
    readTable(db, value('target_table')),
    draft && findTriedKey(db, draft),
  ]);
  const situation = { value, formatKind: formats.get(value('file_format')), hasTable: table !== undefined };
  return { db, columns, draft, situation, table, hasTimescaledb, triedKey, formats };
}

function valueIn(
  columns: ReadonlyMap<string, Column>,
  draft: Draft | undefined,
  values: URLSearchParams | undefined,
): (column: string) => string {
  return (column) => (values && fieldOf(values, column)) ?? storedValue(column, columns, draft) ?? '';
}

async function readFormats(db: ConsoleDatabase): Promise<ReadonlyMap<string, string>> {
  const rows = await db.rows<{ name: string; kind: string }>(sql`
    select name, kind from s3_connector.file_formats order by builtin desc, name`);
  return new Map(rows.map(({ name, kind }) => [name, kind]));
}

async function readHasTimescaledb(db: ConsoleDatabase): Promise<boolean> {
  const [row] = await db.rows<{ has: boolean }>(sql`
    select exists (select from pg_extension where extname = 'timescaledb') as has`);
  return row!.has;
}
