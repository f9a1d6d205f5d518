import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { describeSchema } from '../../docs/describe_schema.ts';
import { testDatabase } from '../support/database.ts';

const db = await testDatabase();

test('every public table, view, column, type, function and procedure has a comment, and every private function', async () => {
  const missing = await db.query(`
    select c.relname::text as object from pg_class c
    where c.relnamespace = 's3_connector'::regnamespace and c.relkind in ('r', 'p', 'v', 'm', 'f')
      and obj_description(c.oid, 'pg_class') is null
    union all
    select format('%s.%s', c.relname, a.attname)
    from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    where c.relnamespace = 's3_connector'::regnamespace and c.relkind in ('r', 'p', 'v', 'm', 'f')
      and col_description(c.oid, a.attnum) is null
    union all
    select t.typname from pg_type t
    where t.typnamespace = 's3_connector'::regnamespace and t.typtype in ('e', 'd', 'r')
      and obj_description(t.oid, 'pg_type') is null
    union all
    select p.oid::regprocedure::text from pg_proc p
    where p.pronamespace in ('s3_connector'::regnamespace, 's3_connector_private'::regnamespace)
      and obj_description(p.oid, 'pg_proc') is null
    union all
    select c.relname from pg_class c
    where c.relnamespace = 's3_connector_private'::regnamespace and c.relkind = 'r'
      and obj_description(c.oid, 'pg_class') is null`);
  assert.deepEqual(missing, []);
});

test('comments are sentences', async () => {
  const odd = await db.query(`
    select c.relname, a.attname, d.description from pg_description d
    join pg_class c on d.classoid = 'pg_class'::regclass and c.oid = d.objoid
    left join pg_attribute a on a.attrelid = c.oid and a.attnum = d.objsubid and d.objsubid > 0
    where c.relnamespace = 's3_connector'::regnamespace and c.relkind in ('r', 'v') and d.description !~ '^\\S.*\\.$'`);
  assert.deepEqual(odd, []);
});

test('docs/sql.md matches the comments; if not: npm run docs', async () => {
  const file = await readFile(new URL('../../docs/sql.md', import.meta.url), 'utf8');
  assert.equal(file, await describeSchema(await db.connect()));
});
