/** Compares the contents of tables, to verify that all loaders load the same rows. */
import type pg from 'pg';
import type { Column } from '../data/dataset.ts';
import { TABLE } from './loader.ts';

/** The content of a table, independent of the order of its rows. */
export interface Content {
  rows: string;
  /** The sum of the hashes of all rows. */
  hash: string;
}

export async function readContent(client: pg.Client, columns: Column[]): Promise<Content> {
  const values = columns.map(({ name, type }) => `"${name}"::${type}`).join(', ');
  const { rows } = await client.query<Content>(
    `select count(*) as rows, sum(hash_record_extended(row(${values}), 0)) as hash from ${TABLE}`,
  );
  return rows[0]!;
}

/** Compares two contents. @throws if they differ */
export function checkRows(loader: string, content: Content, expected: Content): void {
  if (content.rows === expected.rows && content.hash === expected.hash) return;
  throw new Error(
    `${loader}: expected ${expected.rows} rows with the hash ${expected.hash}, got ${content.rows} with ${content.hash}`,
  );
}

/** Returns the content of a table into which the same rows were loaded `files` times. */
export function multiply({ rows, hash }: Content, files: number): Content {
  const by = BigInt(files);
  return { rows: String(BigInt(rows) * by), hash: String(BigInt(hash) * by) };
}
