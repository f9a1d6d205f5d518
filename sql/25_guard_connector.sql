-- Who may change a connector, and when. These two triggers run as the role that inserts or changes (no security
-- definer), because current_user is what they are about: the role logged in, the one taken by `set role`, or the
-- one of the security definer function that the statement stands in. So they use nothing but pg_catalog.

create or replace function s3_connector_private.set_owner()
returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  -- Imports run with the owner's rights, so nobody may name another role.
  new.owner := current_user;
  new.created_at := now();
  return new;
end;
$$;
comment on function s3_connector_private.set_owner() is 'Makes the inserting role the owner of a new connector, whatever the insert says.';

create or replace trigger set_owner
  before insert on s3_connector.connectors
  for each row execute function s3_connector_private.set_owner();

create or replace function s3_connector_private.guard_connector()
returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  -- What any admin may set: it does not decide which rows come into which table with the owner's rights.
  anyones text[] := '{state,schedule,min_object_age,max_tracked_files,max_parallel_files,max_attempts,max_file_bytes,max_row_bytes,retention}';
begin
  if old.state = 'running'
    and (tg_op = 'DELETE' or to_jsonb(new) - 'state' is distinct from to_jsonb(old) - 'state') then
    raise exception 'cannot % connector %, because it is running: pause it first',
      case tg_op when 'DELETE' then 'delete' else 'change' end, quote_literal(old.name)
      using errcode = 'object_in_use', hint = format('select s3_connector.pause(%L);', old.name);
  end if;
  if tg_op = 'DELETE' then
    return old;
  end if;
  if new.owner is distinct from old.owner or new.created_at is distinct from old.created_at then
    raise exception 'cannot change % of connector %: the database sets it at the insert',
      case when new.owner is distinct from old.owner then 'owner' else 'created_at' end, quote_literal(old.name)
      using errcode = 'insufficient_privilege',
        hint = 'To have imports run with another role''s rights, delete the connector and insert it as that role (set role).';
  end if;
  if to_jsonb(new) - anyones is distinct from to_jsonb(old) - anyones
    and not exists (select from pg_roles r where r.rolname = old.owner and pg_has_role(current_user, r.oid, 'member')) then
    raise exception 'cannot change connector %: it imports with the rights of its owner %, which % does not have',
      quote_literal(old.name), quote_ident(old.owner), quote_ident(current_user)
      using errcode = 'insufficient_privilege',
        hint = format('Change it as %I or a member of it; or delete it and insert it as yours. Others may set %s.',
          old.owner, array_to_string(anyones, ', '));
  end if;
  return new;
end;
$$;
comment on function s3_connector_private.guard_connector() is
  'A running connector may only change its state; what decides which rows go where is its owner''s to change; the owner stays.';

create or replace trigger guard_connector
  before update or delete on s3_connector.connectors
  for each row execute function s3_connector_private.guard_connector();
