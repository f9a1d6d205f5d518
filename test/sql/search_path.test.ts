import assert from 'node:assert/strict';
import { test } from 'node:test';
import { testDatabase } from '../support/database.ts';

// An object of somebody else must never take the place of one that our code means. Names are resolved when a body is created,
// or when it runs. So each body is bound when it is created, or it fixes the path on which its names are looked up.
const db = await testDatabase();

const FIXED = 'search_path=pg_catalog, pg_temp';

const COMMITS = 'it commits, which a fixed search_path forbids, so all its names are qualified';
/** Routines without the fixed path, and why they are safe. test/hostile/search_path.test.ts runs them among traps. */
const EXCEPTIONS: Record<string, string> = {
  's3_connector.audit': COMMITS,
  's3_connector.check': COMMITS,
  's3_connector.dry_run_file': COMMITS,
  's3_connector.preview': COMMITS,
  's3_connector_ask.ask': COMMITS,
  's3_connector_private.is_type': 'it also finds types in public; its own names are qualified',
  's3_connector_private.jobs': 'PostgreSQL must inline it; its names are qualified, and it has no operators',
};

test('every routine has a body that is bound when it is created, or fixes its search_path', async () => {
  const loose = await db.query<{ name: string }>(
    `select format('%s.%s', p.pronamespace::regnamespace, p.proname) as name from pg_proc p
    where p.pronamespace in ('s3_connector'::regnamespace, 's3_connector_ask'::regnamespace, 's3_connector_private'::regnamespace, 's3_connector_import'::regnamespace)
      and p.prosqlbody is null and not coalesce(p.proconfig @> array[$1], false)
    order by 1`,
    [FIXED],
  );
  assert.deepEqual(
    loose.map(({ name }) => name),
    Object.keys(EXCEPTIONS),
  );
});

test('security definer routines all fix their search_path', async () => {
  const loose = await db.query(
    `select p.oid::regprocedure::text as routine from pg_proc p
    where p.pronamespace in ('s3_connector'::regnamespace, 's3_connector_ask'::regnamespace, 's3_connector_private'::regnamespace, 's3_connector_import'::regnamespace)
      and p.prosecdef and not coalesce(p.proconfig @> array[$1], false)`,
    [FIXED],
  );
  assert.deepEqual(loose, []);
});

test('views, defaults, checks, triggers and bound bodies use only objects of ours and of PostgreSQL', async () => {
  // PostgreSQL records what an object was bound to, unless that is its own.
  const foreign = await db.query(`
    with schemas as (
      select oid from pg_namespace where nspname in ('s3_connector', 's3_connector_ask', 's3_connector_private', 's3_connector_import')
    ), relations as (
      select c.oid from pg_class c where c.relnamespace in (select oid from schemas)
    ), parts as (
      select 'pg_class'::regclass as class, oid from relations
      union all select 'pg_proc'::regclass, oid from pg_proc where pronamespace in (select oid from schemas)
      union all select 'pg_type'::regclass, oid from pg_type where typnamespace in (select oid from schemas)
      union all select 'pg_constraint'::regclass, oid from pg_constraint where connamespace in (select oid from schemas)
      union all select 'pg_rewrite'::regclass, oid from pg_rewrite where ev_class in (select oid from relations)
      union all select 'pg_trigger'::regclass, oid from pg_trigger where tgrelid in (select oid from relations)
      union all select 'pg_attrdef'::regclass, oid from pg_attrdef where adrelid in (select oid from relations)
    )
    select pg_describe_object(p.class, p.oid, 0) as object, i.type, i.identity
    from parts p
    join pg_depend d on d.classid = p.class and d.objid = p.oid
    cross join pg_identify_object(d.refclassid, d.refobjid, 0) i
    where i.type <> 'schema' and i.schema is not null
      and i.schema not in ('s3_connector', 's3_connector_ask', 's3_connector_private', 's3_connector_import', 'pg_catalog', 'pg_toast')`);
  assert.deepEqual(foreign, []);
});
