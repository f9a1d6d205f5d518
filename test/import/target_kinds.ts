/** Kinds of targets, with rows that PostgreSQL takes and rows that it refuses. */
import { parquetOf } from '../support/parquet.ts';

/** The values of a row as text; empty: null. */
export type Row = string[];

export interface Kind {
  title: string;
  /** How PostgreSQL takes rows: COPY, or INSERT where it refuses COPY. */
  takes: 'copy' | 'insert';
  /** The columns of the file, with the types of its Parquet version. */
  columns: Record<string, string>;
  /** Statements that make the target in the current schema, which is named for foreign tables. */
  setup: (name: string, schema: string) => string;
  /** The table that shows what landed; default: the target. */
  lands?: (name: string) => string;
  /** The tables under the target that get a column for the file's id. */
  tables: (name: string) => string[];
  /** Run when the tables have got that column. */
  remake?: (name: string) => string;
  good: Row[];
  /** `lineless`: PostgreSQL may not say in which line it is. */
  bad?: { row: Row; code: string; lineless?: boolean };
  /** How many of the good rows a trigger drops without an error. */
  dropped?: number;
  /** The first major version of PostgreSQL that has it. */
  since?: number;
}

const COLUMNS = { n: 'integer', s: 'varchar' };
const GOOD = [
  ['1', 'a'],
  ['2', 'b'],
  ['3', 'c'],
];
const TOO_BIG = ['200', 'big'];

export const KINDS: Record<string, Kind> = {
  identity_always: {
    title: 'an identity that is generated always',
    takes: 'copy',
    columns: { id: 'bigint', s: 'varchar' },
    setup: (name) => `create table ${name} (id bigint generated always as identity, s text)`,
    tables: (name) => [name],
    good: [
      ['70', 'a'],
      ['80', 'b'],
    ],
    bad: { row: ['x', 'c'], code: 'bad_value' },
  },
  identity_left: {
    title: 'an identity that the file does not have',
    takes: 'copy',
    columns: COLUMNS,
    setup: (name) => `create table ${name} (id bigint generated always as identity, n integer, s text)`,
    tables: (name) => [name],
    good: GOOD,
  },
  generated: {
    title: 'a generated column',
    takes: 'copy',
    columns: COLUMNS,
    setup: (name) =>
      `create table ${name} (n integer, twice integer generated always as (n * 2) stored check (twice < 100), s text)`,
    tables: (name) => [name],
    good: GOOD,
    bad: { row: TOO_BIG, code: 'check_violated' },
  },
  virtual: {
    title: 'a virtual generated column',
    takes: 'copy',
    columns: COLUMNS,
    setup: (name) =>
      `create table ${name} (n integer, twice integer generated always as (n * 2) virtual check (twice < 100), s text)`,
    tables: (name) => [name],
    good: GOOD,
    bad: { row: TOO_BIG, code: 'check_violated' },
    since: 18,
  },
  instead_view: {
    title: 'a view with an INSTEAD OF trigger',
    takes: 'copy',
    columns: COLUMNS,
    setup: (name) => `create table ${name}_base (n integer check (n < 100), s text);
      create view ${name} as select * from ${name}_base;
      create function ${name}_insert() returns trigger language plpgsql as $$ begin
        if new.s is distinct from 'dropped' then execute format('insert into %I.${name}_base select $1.*', tg_table_schema) using new; return new; end if;
        return null; end $$;
      create trigger instead instead of insert on ${name} for each row execute function ${name}_insert()`,
    lands: (name) => `${name}_base`,
    tables: (name) => [`${name}_base`],
    remake: (name) => `create or replace view ${name} as select * from ${name}_base`,
    good: [...GOOD, ['4', 'dropped']],
    bad: { row: TOO_BIG, code: 'check_violated' },
    dropped: 1,
  },
  writable_view: {
    title: 'a view of one table',
    takes: 'insert',
    columns: COLUMNS,
    setup: (name) => `create table ${name}_base (n integer, s text, at text default 'base');
      create view ${name} as select s, n, at from ${name}_base where n < 100 with check option;
      alter view ${name} alter column at set default 'view'`,
    lands: (name) => `${name}_base`,
    tables: (name) => [`${name}_base`],
    remake: (name) =>
      `create or replace view ${name} as select s, n, at, file_id from ${name}_base where n < 100 with check option`,
    good: GOOD,
    bad: { row: TOO_BIG, code: 'check_violated' },
  },
  row_security: {
    title: 'row level security',
    takes: 'insert',
    columns: COLUMNS,
    setup: (name) => `create table ${name} (n integer, s text, at text default 'default');
      alter table ${name} enable row level security, force row level security;
      create policy small on ${name} using (true) with check (n < 100)`,
    tables: (name) => [name],
    good: GOOD,
    bad: { row: TOO_BIG, code: 'policy_violated' },
  },
  row_security_trigger: {
    title: 'row level security with a trigger that fills a column',
    takes: 'insert',
    columns: COLUMNS,
    setup: (name) => `create table ${name} (n integer, s text not null, filled text not null);
      alter table ${name} enable row level security, force row level security;
      create policy all_rows on ${name} using (true);
      create function ${name}_fill() returns trigger language plpgsql as $$ begin
        new.filled := 'yes'; return case when new.s = 'dropped' then null else new end; end $$;
      create trigger fill before insert on ${name} for each row execute function ${name}_fill()`,
    tables: (name) => [name],
    good: [...GOOD, ['4', 'dropped']],
    bad: { row: ['5', ''], code: 'null_not_allowed' },
    dropped: 1,
  },
  owned_row_security: {
    title: "row level security that the owner's own table does not force",
    takes: 'copy',
    columns: COLUMNS,
    setup: (name) => `create table ${name} (n integer, s text);
      alter table ${name} enable row level security; create policy small on ${name} using (n < 2)`,
    tables: (name) => [name],
    good: GOOD,
  },
  partitioned: {
    title: 'a partitioned table',
    takes: 'copy',
    columns: COLUMNS,
    setup: (name) => `create table ${name} (n integer, s text) partition by range (n);
      create table ${name}_low partition of ${name} for values from (0) to (2);
      create table ${name}_high partition of ${name} for values from (2) to (100)`,
    tables: (name) => [name],
    good: GOOD,
    bad: { row: TOO_BIG, code: 'check_violated' },
  },
  foreign_table: {
    title: 'a foreign table',
    takes: 'copy',
    columns: COLUMNS,
    setup: (name, schema) => `create table ${name}_there (n integer check (n < 100), s text);
      create foreign table ${name} (n integer, s text) server here options (schema_name '${schema}', table_name '${name}_there')`,
    lands: (name) => `${name}_there`,
    tables: (name) => [`${name}_there`, name],
    good: GOOD,
    bad: { row: TOO_BIG, code: 'check_violated' },
  },
  foreign_batches: {
    title: 'a foreign table that is filled many rows at a time',
    takes: 'copy',
    columns: COLUMNS,
    setup: (name, schema) => `create table ${name}_there (n integer check (n < 100), s text);
      create foreign table ${name} (n integer, s text) server here
        options (schema_name '${schema}', table_name '${name}_there', batch_size '10')`,
    lands: (name) => `${name}_there`,
    tables: (name) => [`${name}_there`, name],
    good: GOOD,
    bad: { row: TOO_BIG, code: 'check_violated', lineless: true },
  },
  foreign_partition: {
    title: 'a foreign table as a partition',
    takes: 'copy',
    columns: COLUMNS,
    setup: (name, schema) => `create table ${name}_there (n integer, s text);
      create table ${name} (n integer, s text) partition by range (n);
      create table ${name}_here partition of ${name} for values from (0) to (2);
      create foreign table ${name}_away partition of ${name} for values from (2) to (100)
        server here options (schema_name '${schema}', table_name '${name}_there')`,
    tables: (name) => [name],
    good: GOOD,
    bad: { row: TOO_BIG, code: 'check_violated' },
  },
  ruled: {
    title: 'a table with rules, which COPY ignores',
    takes: 'copy',
    columns: COLUMNS,
    setup: (name) => `create table ${name} (n integer, s text);
      create rule nothing as on insert to ${name} do instead nothing`,
    tables: (name) => [name],
    good: GOOD,
  },
  parent: {
    title: 'a table with children',
    takes: 'copy',
    columns: COLUMNS,
    setup: (name) => `create table ${name} (n integer check (n < 100), s text);
      create table ${name}_child () inherits (${name});
      create view ${name}_only as select * from only ${name}`,
    lands: (name) => `${name}_only`,
    tables: (name) => [name],
    good: GOOD,
    bad: { row: TOO_BIG, code: 'check_violated' },
  },
};
export function asCsv({ columns }: Kind, rows: Row[]): string {
  return [Object.keys(columns), ...rows].map((row) => `${row.join(',')}\n`).join('');
}

export async function asParquet({ columns }: Kind, rows: Row[]): Promise<Buffer> {
  const types = Object.values(columns);
  const names = Object.keys(columns);
  const values = rows.map(
    (row) => `(${row.map((value, i) => `${value === '' ? 'null' : `'${value}'`}::${types[i]}`).join(', ')})`,
  );
  return await parquetOf(`select * from (values ${values.join(', ')}) t (${names.join(', ')})`);
}
