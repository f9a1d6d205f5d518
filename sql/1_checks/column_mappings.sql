-- Checks of a "mapping", a row of column_mappings, and rules about when it may change. As with connectors, the guard runs as the
-- role that changes it, and the validation with the installation's rights.

create or replace function s3_connector_private.guard_column_mapping()
returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  connector s3_connector.connectors;
begin
  -- No connector is found if it was deleted or renamed: the cascade of that fires this trigger.
  select * into connector from s3_connector.connectors c
  where c.name = case tg_op when 'INSERT' then new.connector_name else old.connector_name end;
  -- A connector that this transaction inserted is not being polled yet.
  if connector.state = 'running' and connector.created_at <> now() then
    raise exception 'cannot change the column mappings of connector %, because it is running: pause it first', quote_literal(connector.name)
      using errcode = 'object_in_use', hint = format('Pause it: select s3_connector.pause(%L);', connector.name);
  end if;
  if connector.name is not null
    and not exists (select from pg_roles r where r.rolname = connector.owner and pg_has_role(current_user, r.oid, 'member')) then
    raise exception 'cannot change the column mappings of connector %: it imports with the rights of its owner %, which % does not have',
      quote_literal(connector.name), quote_ident(connector.owner), quote_ident(current_user)
      using errcode = 'insufficient_privilege',
        hint = format('Change them as %I or a member of that role.', connector.owner);
  end if;
  return case tg_op when 'DELETE' then old else new end;
end;
$$;
comment on function s3_connector_private.guard_column_mapping() is
  'Lets only the owner change mappings, and only while the connector is paused.';

create or replace trigger guard_column_mapping
  before insert or update or delete on s3_connector.column_mappings
  for each row execute function s3_connector_private.guard_column_mapping();

create or replace function s3_connector_private.refuse_mapping(column_name text, must text, got text, hint text default null)
returns void language sql stable set search_path = pg_catalog, pg_temp as $$
  select s3_connector_private.refuse_column('s3_connector.column_mappings', column_name, must, got, hint);
$$;
comment on function s3_connector_private.refuse_mapping(text, text, text, text) is
  'Calls refuse_column for a column of column_mappings.';

create or replace function s3_connector_private.validate_column_mapping()
returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  context text;
  connector s3_connector.connectors;
begin
  get diagnostics context = pg_context;
  perform s3_connector_private.refuse_nulls(tg_relid, to_jsonb(new));
  if octet_length(new.source_column) > 10000 then
    perform s3_connector_private.refuse_mapping('source_column', 'have at most 10000 bytes', left(new.source_column, 100) || ' ...');
  end if;
  connector := s3_connector_private.require_connector(new.connector_name);
  if tg_op = 'UPDATE' and new.connector_name <> old.connector_name
    and exists (select from s3_connector.connectors c where c.name = old.connector_name) then
    perform s3_connector_private.refuse_mapping('connector_name', 'not change', new.connector_name,
      'Delete the mapping and insert it for the other connector.');
  end if;
  if new.source_column is null and new.expression is null then
    perform s3_connector_private.refuse_mapping('source_column', 'be given', null, 'Name a column of the file. Only an expression may have none.');
  elsif new.source_column = '' then
    perform s3_connector_private.refuse_mapping('source_column', 'name a column of the file', new.source_column);
  end if;
  if new.source_column ~ '^\$([.[]|$)' and not s3_connector_private.is_json_path(new.source_column)
    and (s3_connector_private.require_file_format(connector.file_format)).kind = 'json' then
    perform s3_connector_private.refuse_mapping('source_column', 'be a path if it begins with $. or $[', new.source_column,
      'Examples: $.user.id, $.items[0].x, $."odd name". $ is the whole record.');
  end if;
  if tg_op = 'INSERT' and not s3_connector_private.has_on_conflict_clause(context) and exists (
    select from s3_connector.column_mappings m
    where m.connector_name = new.connector_name and m.source_column = new.source_column
  ) then
    raise exception 'connector % has a mapping of column % already', quote_literal(new.connector_name), quote_literal(new.source_column)
      using errcode = 'unique_violation', schema = 's3_connector', table = 'column_mappings', column = 'source_column',
        hint = 'Update that row of column_mappings, or delete it first. To compute another column from this one, insert an expression over row, without a source_column.';
  end if;
  if not s3_connector_private.is_column_name(new.target_column) or new.target_column in (connector.file_id_column, connector.file_key_column, connector.line_column) then
    perform s3_connector_private.refuse_mapping('target_column', 'be a column''s name of 1 to 63 bytes, and not the connector''s file_id_column, file_key_column or line_column',
      new.target_column, 'Write it without quotes. Null leaves the file''s column out.');
  end if;
  if new.data_type is not null and new.target_column is null then
    perform s3_connector_private.refuse_mapping('data_type', 'be null if target_column is null, which leaves the column out', new.data_type,
      'To set the type only, give target_column the same name as source_column.');
  end if;
  if new.data_type is not null and not s3_connector_private.is_type(new.data_type) then
    perform s3_connector_private.refuse_mapping('data_type', 'be a PostgreSQL type', new.data_type,
      'Examples: bigint, numeric(12,2), timestamptz. Name the schema of a type that is not in public.');
  end if;
  perform s3_connector_private.refuse_date_format(tg_relid, new.date_format);
  perform s3_connector_private.refuse_idle_date_format(new, connector);
  perform s3_connector_private.validate_expression(new, connector.transform);
  return new;
end;
$$;
comment on function s3_connector_private.validate_column_mapping() is
  'Checks every column of a mapping.';

create or replace trigger validate_column_mapping
  before insert or update on s3_connector.column_mappings
  for each row execute function s3_connector_private.validate_column_mapping();

create or replace function s3_connector_private.refuse_shared_target()
returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  other text;
begin
  select coalesce('Column ' || quote_literal(m.source_column), 'An expression') into other from s3_connector.column_mappings m
  where m.connector_name = new.connector_name and m.target_column = new.target_column and m.id <> new.id;
  if found then
    perform s3_connector_private.refuse_mapping('target_column', 'be the target of one source column only', new.target_column,
      format('%s goes there already. Delete one of the two mappings, or set its target_column to null to leave the column out.', other));
  end if;
  return null;
end;
$$;
comment on function s3_connector_private.refuse_shared_target() is
  'Refuses two source columns for one target. Checks after the statement, so that one update can swap two targets.';

create or replace trigger refuse_shared_target
  after insert or update on s3_connector.column_mappings
  for each row execute function s3_connector_private.refuse_shared_target();
