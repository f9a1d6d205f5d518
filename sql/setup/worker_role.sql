-- Creates the "worker role", which the worker logs in as. It is not a superuser, and it can use other roles' tables only by
-- `set role`. An administrator runs this file with psql once per database, before the first `pg-s3-connector migrate` or
-- `pg-s3-connector start`. Running it again is safe:
--
--   psql -v worker=s3_connector_worker -d the_database -f sql/setup/worker_role.sql
--   psql -c '\password s3_connector_worker'
--
-- Then run this for every role that will insert connectors, here app. Files are imported with its rights:
--
--   grant s3_connector_admin to app;
--   grant app to s3_connector_worker;
--
-- The second grant lets the worker `set role` to app; it inherits no rights. Never grant a superuser to the worker role. A
-- trigger on a target table runs as app, but it can `reset role` to the worker role, and then use every role that the worker
-- can use. So all owners of connectors in one database must trust each other.
--
-- Run it as a superuser, or as a role with createrole that owns the database. Objects that an earlier worker created under
-- another role get this role as their owner; that needs a superuser, or a member of both roles.

\set ON_ERROR_STOP on
\if :{?worker}
\else
  \set worker s3_connector_worker
\endif

begin;
-- An administrator's rights must not run what other roles have put into a schema such as public.
set local search_path = pg_catalog, pg_temp;
select set_config('s3_connector.worker', :'worker', true);

do $$
declare
  worker text := current_setting('s3_connector.worker');
  excess text;
begin
  if not exists (select from pg_roles where rolname = worker) then
    -- noinherit: it has the rights of a role that it is a member of only after `set role`.
    execute format('create role %I login noinherit', worker);
  end if;
  select string_agg(a.attribute, ', ') into excess
  from pg_roles r
  cross join lateral (values
    (r.rolsuper, 'superuser'), (r.rolcreaterole, 'createrole'), (r.rolcreatedb, 'createdb'),
    (r.rolreplication, 'replication'), (r.rolbypassrls, 'bypassrls'), (r.rolinherit, 'inherit')
  ) as a (has, attribute)
  where r.rolname = worker and a.has;
  if excess is not null then
    raise exception 'role % has more than the worker needs: %', worker, excess
      using hint = format('Choose a separate role for the worker, or run: alter role %I no%s;', worker, replace(excess, ', ', ' no'));
  end if;
end;
$$;

-- The group roles, which sql/6_grants/group_roles.sql grants privileges to. They are created here because the worker may not create roles.
do $$
declare
  group_role text;
begin
  foreach group_role in array array['s3_connector_reader', 's3_connector_operator', 's3_connector_admin'] loop
    if not exists (select from pg_roles where rolname = group_role) then
      execute format('create role %I nologin', group_role);
    end if;
  end loop;
end;
$$;

-- create: for its schemas s3_connector, s3_connector_private and s3_connector_queue. Once they exist, you can revoke it:
--   revoke create on database the_database from s3_connector_worker;
-- temporary: an import may put rows into a temporary table before they go into the target.
do $$
begin
  execute format('grant connect, create, temporary on database %I to %I',
    current_database(), current_setting('s3_connector.worker'));
end;
$$;

-- Objects that already have another owner, for example because the worker ran as a superuser before.
do $$
declare
  schemas name[] := '{s3_connector,s3_connector_private,s3_connector_queue}';
  worker text := current_setting('s3_connector.worker');
  worker_oid oid := (select oid from pg_roles where rolname = worker);
  handover text;
begin
  for handover in
    select format('alter schema %I owner to %I', n.nspname, worker)
    from pg_namespace n where n.nspname = any (schemas) and n.nspowner <> worker_oid
    union all
    select format('alter %s %s owner to %I', case c.relkind when 'v' then 'view' when 'S' then 'sequence' else 'table' end,
      c.oid::regclass, worker)
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = any (schemas) and c.relowner <> worker_oid and c.relkind in ('r', 'v', 'S')
      -- The sequence of an identity column changes its owner with its table.
      and not exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype in ('i', 'a'))
    union all
    select format('alter type %s owner to %I', t.oid::regtype, worker)
    from pg_type t join pg_namespace n on n.oid = t.typnamespace left join pg_class c on c.oid = t.typrelid
    where n.nspname = any (schemas) and t.typowner <> worker_oid and (t.typtype = 'e' or c.relkind = 'c')
    union all
    select format('alter routine %s owner to %I', p.oid::regprocedure, worker)
    from pg_proc p join pg_namespace n on n.oid = p.pronamespace
    where n.nspname = any (schemas) and p.proowner <> worker_oid
  loop
    execute handover;
  end loop;
end;
$$;
commit;
