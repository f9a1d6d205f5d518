-- The role that the worker logs in as: no superuser, and with no right on anybody's table but by `set role`.
-- An administrator runs this file with psql, once a database, before the first `pg-s3-connector migrate`; again does no harm:
--
--   psql -v worker=s3_connector_worker -d the_database -f sql/setup/worker_role.sql
--   psql -c '\password s3_connector_worker'
--
-- Then, for every role that is to insert connectors, because files are imported with its rights:
--
--   grant s3_connector_admin to app;
--   grant app to s3_connector_worker;
--
-- The second one lets the worker become app, and nothing else (it inherits nothing). Never grant it a superuser: what a
-- trigger on a target table does, it does as app, but it may `reset role` to the worker, and so become whatever the worker
-- may become. That is why owners of connectors in one database must trust each other as far as their target tables go.
--
-- Needs a superuser, or a role with createrole that owns the database. What an earlier worker made under another role
-- is handed over to this one; that needs a superuser, or a member of both.

\set ON_ERROR_STOP on
\if :{?worker}
\else
  \set worker s3_connector_worker
\endif

begin;
select set_config('s3_connector.worker', :'worker', true);

do $$
declare
  worker text := current_setting('s3_connector.worker');
  too_much text;
begin
  if not exists (select from pg_roles where rolname = worker) then
    -- Inheriting nothing, it has what the roles that it may become have only while it is one of them.
    execute format('create role %I login noinherit', worker);
  end if;
  select string_agg(a.attribute, ', ') into too_much
  from pg_roles r
  cross join lateral (values
    (r.rolsuper, 'superuser'), (r.rolcreaterole, 'createrole'), (r.rolcreatedb, 'createdb'),
    (r.rolreplication, 'replication'), (r.rolbypassrls, 'bypassrls'), (r.rolinherit, 'inherit')
  ) as a (has, attribute)
  where r.rolname = worker and a.has;
  if too_much is not null then
    raise exception 'role % has more than the worker needs: %', worker, too_much
      using hint = format('Give the worker a role of its own, or: alter role %I no%s;', worker, replace(too_much, ', ', ' no'));
  end if;
end;
$$;

-- Those who read, steer and configure (sql/95_grants.sql gives them their rights): the worker may make no roles.
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

-- Create: for its schemas s3_connector, s3_connector_private and s3_connector_queue. Once they are there it may be taken back:
--   revoke create on database the_database from s3_connector_worker;
-- Temporary: an import may put rows into a temporary table before they go into the target.
do $$
begin
  execute format('grant connect, create, temporary on database %I to %I',
    current_database(), current_setting('s3_connector.worker'));
end;
$$;

-- What is there already under another owner, as where the worker ran as a superuser before.
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
      -- The sequence of an identity column goes with its table.
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
