-- Which worker runs the jobs of which owner. A worker takes those of owners that its login for imports may become. An owner whom
-- no worker's login may become belongs to all workers, and its files fail with the missing grant.

create or replace function s3_connector_private.may_act_as(login name, owner name)
returns boolean language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  return exists (
    select from pg_roles l, pg_roles o
    where l.rolname = login and o.rolname = owner
      -- Before PostgreSQL 16 every member of a role may set role to it.
      and pg_has_role(l.oid, o.oid, case when current_setting('server_version_num')::integer >= 160000 then 'SET' else 'MEMBER' end)
  );
end;
$$;
comment on function s3_connector_private.may_act_as(name, name) is
  'Returns whether a login may set role to an owner. False if either does not exist.';

create or replace function s3_connector_private.import_logins()
returns setof name language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  return query
    select distinct w.import_role
    from s3_connector_private.workers w join pg_roles r on r.rolname = w.import_role
    -- A superuser may become every owner. One that is gone must not make all files wait.
    where not r.rolsuper or w.id in (select s3_connector_private.alive_workers());
end;
$$;
comment on function s3_connector_private.import_logins() is
  'Returns the logins for imports of all workers, alive or not, but superusers only while their worker is alive.';

create or replace function s3_connector_private.belongs_elsewhere(owner name, worker_id integer)
returns boolean language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  login name := (select w.import_role from s3_connector_private.workers w where w.id = worker_id);
begin
  if login is null or s3_connector_private.may_act_as(login, owner) then
    return false;
  end if;
  return exists (
    select from s3_connector_private.import_logins() other (name)
    where other.name <> login and s3_connector_private.may_act_as(other.name, belongs_elsewhere.owner)
  );
end;
$$;
comment on function s3_connector_private.belongs_elsewhere(name, integer) is
  'Returns whether an owner''s jobs are for another worker: this one''s login for imports may not become the owner, and that of another one may, alive or not.';

create or replace function s3_connector_private.owners_elsewhere(worker_id integer)
returns setof name language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  -- Workers with one login for imports need not look at the connectors.
  if (select count(distinct w.import_role) from s3_connector_private.workers w) < 2 then
    return;
  end if;
  return query
    select o.owner from (select distinct c.owner from s3_connector.connectors c) o
    where s3_connector_private.belongs_elsewhere(o.owner, worker_id);
end;
$$;
comment on function s3_connector_private.owners_elsewhere(integer) is
  'Returns the owners whose jobs a worker leaves to others.';

create or replace function s3_connector_private.owners_without_worker()
returns table (owner name, notice text) language plpgsql stable rows 10 security definer set search_path = pg_catalog, pg_temp as $$
declare
  logins name[];
  alive_logins name[];
begin
  if (select count(distinct w.import_role) from s3_connector_private.workers w) < 2 then
    return;
  end if;
  logins := array(select s3_connector_private.import_logins());
  alive_logins := array(
    select distinct w.import_role from s3_connector_private.workers w
    where w.import_role is not null and w.id in (select s3_connector_private.alive_workers())
  );
  return query
    select o.owner, format(
      'no worker whose login for imports may act as the owner %1$I is alive; start it, or grant %1$I to the login of one that is', o.owner)
    from (select distinct c.owner from s3_connector.connectors c where c.state = 'running') o
    where exists (select from unnest(logins) l where s3_connector_private.may_act_as(l, o.owner))
      and not exists (select from unnest(alive_logins) l where s3_connector_private.may_act_as(l, o.owner));
end;
$$;
comment on function s3_connector_private.owners_without_worker() is
  'Returns the owners whose workers are all away, while workers of other owners exist, and the notice for connector_status.';
