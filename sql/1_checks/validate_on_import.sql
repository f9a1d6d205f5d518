-- Checks of on_import: one statement, which runs with the rights of the connector's owner.

create or replace function s3_connector_private.validate_on_import(c s3_connector.connectors)
returns void language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
begin
  if octet_length(c.on_import) > 65536 then
    perform s3_connector_private.refuse_setting('on_import', 'have at most 65536 bytes', c.on_import,
      'Put a longer statement into a function or procedure, and call that.');
  end if;
  -- None of these can begin, end or leave a transaction or a role.
  if c.on_import !~* '^\s*\(*\s*(select|insert|update|delete|merge|with|call|refresh)\M' then
    perform s3_connector_private.refuse_setting('on_import',
      'be one statement that begins with select, insert, update, delete, merge, with, call or refresh', c.on_import,
      'Example: call roll_up($1). $1 is the file''s id, a bigint.');
  end if;
end;
$$;
comment on function s3_connector_private.validate_on_import(s3_connector.connectors) is
  'Refuses an on_import that is too long, or of a kind that cannot run within an import.';

-- Like set_owner, it runs as the role that inserts or changes, so it uses nothing but pg_catalog.
create or replace function s3_connector_private.parse_on_import()
returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  opened refcursor;
  fault text;
begin
  -- Opening a cursor plans the statement, which runs functions that are declared immutable: the owner's code, with the caller's
  -- rights. So only the owner's own session does it. Otherwise the import reports a statement that is not valid.
  -- `set session authorization` changes session_user, and not the role that logged in.
  if not (new.owner = all (array[
    session_user, current_user, (select a.usename from pg_stat_activity a where a.pid = pg_backend_pid())
  ])) then
    return new;
  end if;
  begin
    -- Opening a cursor parses the text and runs nothing. It fails for several statements. If an object is missing, several
    -- statements may pass here; the import then fails, because it takes one only.
    open opened for execute new.on_import using 0::bigint;
    close opened;
  exception
    when syntax_error then
      fault := sqlerrm || '.';
    when invalid_cursor_definition then
      fault := case when sqlerrm like '%multi-query%'
        then 'Put several statements into a function or procedure, and call that: call roll_up($1), where $1 is the file''s id.' end;
    -- An object that it names may be created later, like the target table. The import reports it if not.
    when others then
      null;
  end;
  if fault is not null then
    raise exception 'on_import must be one statement of PostgreSQL''s SQL (got: %)', quote_literal(left(new.on_import, 200))
      using errcode = 'invalid_parameter_value', schema = 's3_connector', table = 'connectors', column = 'on_import', hint = fault;
  end if;
  return new;
end;
$$;
comment on function s3_connector_private.parse_on_import() is
  'Refuses an on_import that PostgreSQL cannot parse, or that is several statements, if the owner itself sets it.';

create or replace trigger validate_on_import
  before insert or update of on_import on s3_connector.connectors
  for each row when (new.on_import is not null) execute function s3_connector_private.parse_on_import();
