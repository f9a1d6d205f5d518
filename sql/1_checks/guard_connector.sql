-- Rules about who may change a connector, and when. "Owner": the role that inserted the connector.
-- These two triggers are not security definer, because they need the current_user of the statement: the role that logged in,
-- the one taken by `set role`, or that of a calling security definer function. So they use nothing but pg_catalog.

create or replace function s3_connector_private.set_owner()
returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  -- Imports run with the owner's rights, so nobody may name another role.
  new.owner := current_user;
  new.created_at := now();
  return new;
end;
$$;
comment on function s3_connector_private.set_owner() is 'Makes the inserting role the owner of a new connector, even if the insert names another role.';

create or replace trigger set_owner
  before insert on s3_connector.connectors
  for each row execute function s3_connector_private.set_owner();

create or replace function s3_connector_private.guard_connector()
returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  -- Any admin may set these: they do not decide which rows go into which table with the owner's rights.
  admin_columns text[] := '{state,schedule,audit_schedule,min_object_age,max_tracked_files,max_parallel_files,max_attempts,import_timeout,max_file_bytes,max_row_bytes,max_rows,retention}';
begin
  if old.state = 'running'
    and (tg_op = 'DELETE' or to_jsonb(new) - 'state' is distinct from to_jsonb(old) - 'state') then
    raise exception 'cannot % connector %, because it is running: pause it first',
      case tg_op when 'DELETE' then 'delete' else 'change' end, quote_literal(old.name)
      using errcode = 'object_in_use', hint = format('Pause it: select s3_connector.pause(%L);', old.name);
  end if;
  if tg_op = 'DELETE' then
    return old;
  end if;
  if new.state = 'draft' and old.state <> 'draft' then
    raise exception 'connector % is no draft any more', quote_literal(old.name)
      using errcode = 'object_not_in_prerequisite_state', hint = format('Pause it: select s3_connector.pause(%L);', old.name);
  end if;
  if new.owner is distinct from old.owner or new.created_at is distinct from old.created_at then
    raise exception 'cannot change % of connector %: the database sets it when the connector is inserted',
      case when new.owner is distinct from old.owner then 'owner' else 'created_at' end, quote_literal(old.name)
      using errcode = 'insufficient_privilege',
        hint = 'To import with another role''s rights, delete the connector and insert it again as that role (set role).';
  end if;
  if to_jsonb(new) - admin_columns is distinct from to_jsonb(old) - admin_columns
    and not exists (select from pg_roles r where r.rolname = old.owner and pg_has_role(current_user, r.oid, 'member')) then
    raise exception 'cannot change connector %: it imports with the rights of its owner %, which % does not have',
      quote_literal(old.name), quote_ident(old.owner), quote_ident(current_user)
      using errcode = 'insufficient_privilege',
        hint = format('Change it as %I or a member of that role, or delete it and insert it as your own. Other admins may only set %s.',
          old.owner, array_to_string(admin_columns, ', '));
  end if;
  return new;
end;
$$;
comment on function s3_connector_private.guard_connector() is
  'Lets a running connector change only its state. Lets only the owner change what decides which rows go where. Nobody changes the owner.';

create or replace trigger guard_connector
  before update or delete on s3_connector.connectors
  for each row execute function s3_connector_private.guard_connector();
