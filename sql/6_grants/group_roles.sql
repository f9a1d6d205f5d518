-- Privileges of the "group roles": s3_connector_reader reads, s3_connector_operator also calls functions, s3_connector_admin also
-- configures connectors. Roles are created once per server; the grants are repeated whenever sql/ is applied. Each role gets its
-- grants directly, and not through the other roles, so that the migrating role needs no admin option on them.

do $$
declare
  group_role text;
begin
  foreach group_role in array array['s3_connector_reader', 's3_connector_operator', 's3_connector_admin'] loop
    if not exists (select from pg_roles where rolname = group_role) then
      begin
        execute format('create role %I nologin', group_role);
      exception
        when insufficient_privilege then
          raise warning 'role % does not exist, and % may not create roles: nobody but % can use the connector', group_role, current_user, current_user
            using hint = format('Have an administrator run: create role %I nologin; and migrate again with: pg-s3-connector migrate', group_role);
        -- Another database of this server is being migrated, and created the role first.
        when duplicate_object or unique_violation then
          null;
      end;
    end if;
  end loop;
end;
$$;

-- PostgreSQL lets every role execute new functions. This revokes it, in the transaction that creates them. Default privileges
-- would also change it for the migrating role's functions in other schemas.
revoke all on schema s3_connector, s3_connector_ask, s3_connector_private, s3_connector_import from public;
revoke all on all tables in schema s3_connector, s3_connector_private from public;
revoke all on all routines in schema s3_connector, s3_connector_ask, s3_connector_private, s3_connector_import from public;

-- What an earlier version granted to them, for calls that this version no longer makes.
do $$
declare
  group_role name;
begin
  for group_role in select r.rolname from pg_roles r where r.rolname in ('s3_connector_reader', 's3_connector_operator', 's3_connector_admin') loop
    execute format('revoke all on all routines in schema s3_connector_private, s3_connector_import from %I', group_role);
  end loop;
end;
$$;

create or replace function s3_connector_private.grant_to_groups(privilege text, lowest text)
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  groups text[] := '{s3_connector_reader,s3_connector_operator,s3_connector_admin}';
  group_role text;
begin
  foreach group_role in array groups[array_position(groups, lowest):] loop
    if exists (select from pg_roles where rolname = group_role) then
      execute format('grant %s to %I', privilege, group_role);
    end if;
  end loop;
end;
$$;
comment on function s3_connector_private.grant_to_groups(text, text) is
  'Grants a privilege to a group role and those above it, if they exist.';
revoke all on function s3_connector_private.grant_to_groups(text, text) from public;

select s3_connector_private.grant_to_groups('usage on schema s3_connector', 's3_connector_reader');
select s3_connector_private.grant_to_groups('select on all tables in schema s3_connector', 's3_connector_reader');
-- The reader of a view needs execute on the functions in it. Without usage on the schema, nobody can call them directly.
select s3_connector_private.grant_to_groups(format('execute on function %s', f.oid::regprocedure), 's3_connector_reader')
from pg_proc f
where f.pronamespace in ('s3_connector_private'::regnamespace, 's3_connector_import'::regnamespace) and exists (
  select from pg_depend d
  join pg_rewrite r on r.oid = d.objid and d.classid = 'pg_rewrite'::regclass
  -- Private views too, because public ones use them.
  join pg_class v on v.oid = r.ev_class
    and v.relnamespace in ('s3_connector'::regnamespace, 's3_connector_private'::regnamespace)
  where d.refclassid = 'pg_proc'::regclass and d.refobjid = f.oid
);
select s3_connector_private.grant_to_groups('execute on all routines in schema s3_connector', 's3_connector_operator');
-- A procedure commits while it waits for a worker. So PostgreSQL parses it at run time, with the rights of its caller. The functions that
-- procedures call are in their own schema, so that \df s3_connector.* lists only what people call.
select s3_connector_private.grant_to_groups('usage on schema s3_connector_ask', 's3_connector_operator');
select s3_connector_private.grant_to_groups('execute on all routines in schema s3_connector_ask', 's3_connector_operator');
-- It shows nothing that a reader cannot read in files.
select s3_connector_private.grant_to_groups(
  'execute on function s3_connector.find_gaps(text, text, interval, timestamptz, timestamptz)', 's3_connector_reader');
select s3_connector_private.grant_to_groups(
  'insert, update, delete on s3_connector.connectors, s3_connector.column_mappings, s3_connector.file_formats', 's3_connector_admin');
-- Functions that delete rows run with the caller's or the owner's rights (sql/2_lifecycle/undo.sql). The caller needs execute on the private
-- functions in them, but must not be able to call those directly. So nobody gets usage on s3_connector_private, not
-- even the login for imports: code that can be both that login and an owner would have both rights.
select s3_connector_private.grant_to_groups(format('execute on function %s', f.oid::regprocedure), 's3_connector_operator')
from pg_proc f
where f.pronamespace in ('s3_connector_private'::regnamespace, 's3_connector_import'::regnamespace) and exists (
  select from pg_depend d
  join pg_proc p on p.oid = d.objid and d.classid = 'pg_proc'::regclass and p.pronamespace = 's3_connector'::regnamespace
  where d.refclassid = 'pg_proc'::regclass and d.refobjid = f.oid
);
