/**
 * What COPY lands of an object: the oracle that a target table is compared with. It is in a database without a connector. The rows
 * of Parquet are DuckDB's.
 */
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { gunzipSync, zstdDecompressSync } from 'node:zlib';
import { unzipSync } from 'fflate';
import type pg from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import type { TestDatabase } from '../support/database.ts';
import { type Format, flawOf, type Version } from './bodies.ts';
import type { Settings } from './model.ts';
import { fromParquet } from './parquet_bodies.ts';

/** A row that landed, as texts without its nulls, and the line of the file on which it starts. */
export interface LandedRow {
  values: Record<string, string>;
  line: number;
}

export interface Landing {
  read: number;
  rows: LandedRow[];
}

export interface Oracle {
  /** Returns the rows that PostgreSQL takes, each on its own; the others are bad rows. */
  landing(version: Version, settings: Settings): Promise<Landing>;
}

const WIDE = 'bigint';
const NARROW = 'integer';

export async function openOracle(db: TestDatabase): Promise<Oracle> {
  const client = await db.connect();
  for (const type of [NARROW, WIDE]) {
    await client.query(
      `create temp table oracle_${type} ("Op" text, ver integer, id integer, v ${type}, w text, x1 text, x2 text)`,
    );
  }
  const landings = new Map<string, Promise<Landing>>();
  // One session: the landings come one after the other.
  let last: Promise<unknown> = Promise.resolve();
  return {
    landing(version, settings) {
      const { growth, format } = settings;
      const key = `${version.number} ${growth} ${format}`;
      let landing = landings.get(key);
      if (landing === undefined) {
        landing = last.then(() => land(client, version, settings));
        last = landing.catch(() => {});
        landings.set(key, landing);
      }
      return landing;
    },
  };
}

/** Returns the text of an object; of Parquet, its rows as JSON. */
async function textOf({ bytes, body }: Version, format: Format): Promise<string> {
  if (format === 'parquet') return (await fromParquet(bytes)).map((row) => `${row}\n`).join('');
  switch (body.packing) {
    case 'none':
      return bytes.toString();
    case 'gzip':
      return gunzipSync(bytes).toString();
    case 'zstd':
      return zstdDecompressSync(bytes).toString();
    case 'zip':
      return Buffer.from(unzipSync(bytes).rows!).toString();
  }
}

async function land(client: pg.Client, version: Version, { growth, format }: Settings): Promise<Landing> {
  const { body, records } = version;
  const text = await textOf(version, format);
  const table = `oracle_${growth === 'grow' ? WIDE : NARROW}`;
  const copy = format === 'csv' ? copyCsv : insertJson;
  await client.query(`truncate ${table}`);
  const rows: LandedRow[] = [];
  const whole = await refusalOf(() => copy(client, table, version, text));
  const landed = whole === null ? await rowsOf(client, table) : [];
  for (const [i, record] of records.entries()) {
    if (whole !== null) {
      await client.query(`truncate ${table}`);
      const refusal = await refusalOf(() => copy(client, table, version, version.header + record.text));
      if (refusal !== null && growth === 'rescue' && flawOf(body, format) !== 'long') {
        rows.push({ values: rescued(version, record.text, format), line: record.line });
        continue;
      }
      if (refusal !== null) continue;
    }
    const values = whole === null ? landed[i] : (await rowsOf(client, table))[0];
    rows.push({ values: shown(values!, growth), line: record.line });
  }
  return { read: records.length, rows };
}

async function copyCsv(client: pg.Client, table: string, { columns }: Version, text: string): Promise<void> {
  const names = columns.map((column) => `"${column}"`).join(', ');
  await pipeline(
    Readable.from([Buffer.from(text)]),
    client.query(copyFrom(`copy ${table} (${names}) from stdin (format csv, header true)`)),
  );
}

async function insertJson(client: pg.Client, table: string, _: Version, text: string): Promise<void> {
  for (const line of text.split('\n').filter(Boolean)) {
    await client.query(`insert into ${table} select * from json_populate_record(null::${table}, $1)`, [line]);
  }
}

async function rowsOf(client: pg.Client, table: string): Promise<Record<string, string>[]> {
  const { rows } = await client.query<{ row: Record<string, unknown> }>(
    `select jsonb_strip_nulls(to_jsonb(t)) as row from ${table} t order by ctid`,
  );
  return rows.map(({ row }) => texts(row));
}

/** Returns the SQLSTATE of a refusal; null if there was none. */
async function refusalOf(run: () => Promise<void>): Promise<string | null> {
  try {
    await run();
    return null;
  } catch (error) {
    const { code } = error as pg.DatabaseError;
    if (code === undefined || !code.startsWith('22')) throw error;
    return code;
  }
}

/** Where the table does not get the new columns, they are left out, or kept in the rescue column. */
function shown(values: Record<string, string>, growth: Settings['growth']): Record<string, string> {
  if (growth === 'grow') return values;
  const { x1, x2, ...known } = values;
  const rest = { ...(x1 === undefined ? {} : { x1 }), ...(x2 === undefined ? {} : { x2 }) };
  if (growth !== 'rescue' || Object.keys(rest).length === 0) return known;
  return { ...known, rest: canonical(rest) };
}

/** A row whose value of `v` does not fit: it lands without that value, which is kept in the rescue column. */
function rescued({ columns }: Version, text: string, format: Settings['format']): Record<string, string> {
  const fields: Record<string, unknown> =
    format !== 'csv'
      ? JSON.parse(text)
      : // Rows with a flaw have no quotes.
        Object.fromEntries(
          text
            .trimEnd()
            .split(',')
            .map((field, i) => [columns[i], field || null]),
        );
  const { v, x1, x2, ...known } = texts(fields);
  const rest = { v: v!, ...(x1 === undefined ? {} : { x1 }), ...(x2 === undefined ? {} : { x2 }) };
  return { ...known, rest: canonical(rest) };
}

/** Returns the values that are not null as texts. Values of `jsonb` are canonical. */
export function texts(row: Record<string, unknown>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(row)
      .filter(([, value]) => value !== null)
      .map(([name, value]) => [
        name,
        typeof value === 'object' ? canonical(value as Record<string, unknown>) : String(value),
      ]),
  );
}

function canonical(values: Record<string, unknown>): string {
  return JSON.stringify(Object.fromEntries(Object.entries(values).sort(([a], [b]) => (a < b ? -1 : 1))));
}
