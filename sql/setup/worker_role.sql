-- Creates the two logins of a worker. Neither is a superuser.
--
-- - The "worker role" (DATABASE_URL) owns the connector's schemas. No code of other people runs in its sessions.
-- - The "login for imports" (IMPORT_DATABASE_URL) is a member of the roles that insert connectors, and of nothing else. It can use
--   their tables only by `set role`. Triggers of target tables and on_import run in its sessions.
--
-- An administrator runs this file with psql once per database, before the first `pg-s3-connector migrate` or
-- `pg-s3-connector start`. Running it again is safe:
--
--   psql -v worker=s3_connector_worker -v importer=s3_connector_importer -d the_database -f sql/setup/worker_role.sql
--   psql -c '\password s3_connector_worker'
--   psql -c '\password s3_connector_importer'
--
-- Then run this for every role that will insert connectors, here app. Files are imported with its rights:
--
--   grant s3_connector_admin to app;
--   grant app to s3_connector_importer;
--
-- The second grant lets imports `set role` to app. Never grant a superuser to the login for imports. A trigger on a target table
-- runs as app, but it can `reset role` to the login for imports, and then use every role that this login can use. So all owners
-- that are granted to one login for imports must trust each other. For owners that do not, create a login for each group, and run
-- a worker with each: a worker takes only files of owners that its login for imports may become.
--
-- Run it as a superuser, or as a role with createrole that owns the database. Objects that an earlier worker created under
-- another role get the worker role as their owner; that needs a superuser, or a member of both roles.

\set ON_ERROR_STOP on
\if :{?worker}
\else
  \set worker s3_connector_worker
\endif
\if :{?importer}
\else
  \set importer s3_connector_importer
\endif

begin;
-- An administrator's rights must not run what other roles have put into a schema such as public.
set local search_path = pg_catalog, pg_temp;
select set_config('s3_connector.worker', :'worker', true), set_config('s3_connector.importer', :'importer', true);

do $$
declare
  importer text := current_setting('s3_connector.importer');
  login text;
  excess text;
begin
  foreach login in array array[current_setting('s3_connector.worker'), importer] loop
    if not exists (select from pg_roles where rolname = login) then
      -- noinherit: it has the rights of a role that it is a member of only after `set role`.
      execute format('create role %I login noinherit', login);
    end if;
    select string_agg(a.attribute, ', ') into excess
    from pg_roles r
    cross join lateral (values
      (r.rolsuper, 'superuser'), (r.rolcreaterole, 'createrole'), (r.rolcreatedb, 'createdb'),
      (r.rolreplication, 'replication'), (r.rolbypassrls, 'bypassrls'),
      (r.rolinherit and (login = importer or current_setting('server_version_num')::integer >= 160000
        or exists (select from pg_auth_members m where m.member = r.oid and m.roleid <> 'pg_read_all_stats'::regrole)), 'inherit')
    ) as a (has, attribute)
    where r.rolname = login and a.has;
    if excess is not null then
      raise exception 'role % has more than a worker needs: %', login, excess
        using hint = format('Choose a separate role, or run: alter role %I no%s;', login, replace(excess, ', ', ' no'));
    end if;
  end loop;
end;
$$;

-- PostgreSQL shows the progress of another role's COPY only to roles that inherit pg_read_all_stats. Without it, rows_copied in
-- running_files is null. A worker role that imports itself does not need it, and should not have it.
do $$
declare
  worker text := current_setting('s3_connector.worker');
begin
  if worker = current_setting('s3_connector.importer') then
    return;
  elsif current_setting('server_version_num')::integer >= 160000 then
    execute format('grant pg_read_all_stats to %I with inherit true', worker);
  elsif exists (
    select from pg_auth_members m
    where m.member = (select r.oid from pg_roles r where r.rolname = worker) and m.roleid <> 'pg_read_all_stats'::regrole
  ) then
    raise warning 'role % is a member of other roles, so it does not get pg_read_all_stats: rows_copied in s3_connector.running_files stays null', worker
      using hint = 'Grant these roles to the login for imports, revoke them from the worker role, and run this file again.';
  else
    execute format('grant pg_read_all_stats to %I', worker);
    -- Before PostgreSQL 16 a role inherits all of its roles or none. This is its only one.
    execute format('alter role %I inherit', worker);
  end if;
exception when insufficient_privilege then
  raise warning 'role % does not get pg_read_all_stats (%): rows_copied in s3_connector.running_files stays null', worker, sqlerrm;
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
do $$
begin
  execute format('grant connect, create on database %I to %I', current_database(), current_setting('s3_connector.worker'));
  execute format('grant connect on database %I to %I', current_database(), current_setting('s3_connector.importer'));
end;
$$;

-- Objects that already have another owner, for example because the worker ran as a superuser before.
do $$
declare
  schemas name[] := '{s3_connector,s3_connector_ask,s3_connector_private,s3_connector_import,s3_connector_queue}';
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
