-- Who may do what: s3_connector_reader sees, s3_connector_operator also steers, s3_connector_admin also configures.
-- Granted again at every migrate, after whatever it has made anew; roles are made once per server. Each role is granted
-- what it needs by itself rather than through the others, so that who may migrate need not be their admin.

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
            using hint = format('Have an administrator run: create role %I nologin; and migrate again.', group_role);
        -- Another database of this server is being migrated as well, and was first.
        when duplicate_object or unique_violation then
          null;
      end;
    end if;
  end loop;
end;
$$;

-- PostgreSQL lets everybody execute every new function. Default privileges could only change that for the migrating
-- role's functions everywhere, so it is taken back here, in the transaction that made them.
revoke all on schema s3_connector, s3_connector_private from public;
revoke all on all tables in schema s3_connector, s3_connector_private from public;
revoke all on all routines in schema s3_connector, s3_connector_private from public;

create or replace function s3_connector_private.grant_to_groups(privilege text, lowest text)
returns void language plpgsql as $$
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
  'Grants to that group role and those above it, as far as they exist.';
revoke all on function s3_connector_private.grant_to_groups(text, text) from public;

select s3_connector_private.grant_to_groups('usage on schema s3_connector', 's3_connector_reader');
select s3_connector_private.grant_to_groups('select on all tables in schema s3_connector', 's3_connector_reader');
-- PostgreSQL checks the functions in a view against whoever reads it. Without usage on the schema they cannot be called otherwise.
select s3_connector_private.grant_to_groups(format('execute on function %s', f.oid::regprocedure), 's3_connector_reader')
from pg_proc f
where f.pronamespace = 's3_connector_private'::regnamespace and exists (
  select from pg_depend d
  join pg_rewrite r on r.oid = d.objid and d.classid = 'pg_rewrite'::regclass
  -- Private ones too: others are made of them.
  join pg_class v on v.oid = r.ev_class
    and v.relnamespace in ('s3_connector'::regnamespace, 's3_connector_private'::regnamespace)
  where d.refclassid = 'pg_proc'::regclass and d.refobjid = f.oid
);
select s3_connector_private.grant_to_groups('execute on all routines in schema s3_connector', 's3_connector_operator');
-- What it says, a reader could find out in files.
select s3_connector_private.grant_to_groups(
  'execute on function s3_connector.find_gaps(text, text, interval, timestamptz, timestamptz)', 's3_connector_reader');
select s3_connector_private.grant_to_groups(
  'insert, update, delete on s3_connector.connectors, s3_connector.column_mappings', 's3_connector_admin');
-- What deletes rows does so with its caller's rights or the owner's, and writes the rest by functions that its caller must be
-- allowed to execute, but cannot name: its body was parsed when it was made. This is why nobody gets usage on the schema.
select s3_connector_private.grant_to_groups(format('execute on function %s', f.oid::regprocedure), 's3_connector_operator')
from pg_proc f
where f.pronamespace = 's3_connector_private'::regnamespace and exists (
  select from pg_depend d
  join pg_proc p on p.oid = d.objid and d.classid = 'pg_proc'::regclass and p.pronamespace = 's3_connector'::regnamespace
  where d.refclassid = 'pg_proc'::regclass and d.refobjid = f.oid
);
-- Procedures that wait for a worker commit as they go, so they are parsed as they run, with their caller's rights: what they
-- call is in the public schema, with an underscore before its name.
