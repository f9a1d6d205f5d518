-- Checks of the names in a connector: tables, columns, time zones, encodings, types.

create or replace function s3_connector_import.table_parts(target_table text)
returns text[] language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
declare
  part text[];
begin
  begin
    part := parse_ident(target_table);
  exception when invalid_parameter_value then
    part := null;
  end;
  if part is null or cardinality(part) > 2 then
    perform s3_connector_import.refuse('target_table must be a table name: table, or schema.table', target_table,
      'Put a name with capitals or special characters in double quotes: public."My Table".');
  end if;
  return case cardinality(part) when 1 then array['public', part[1]] else part end;
end;
$$;
comment on function s3_connector_import.table_parts(text) is
  'Returns the schema and the table of a target_table, unquoted. The schema defaults to public.';

create or replace function s3_connector_private.is_column_name(name text)
returns boolean language sql immutable parallel safe set search_path = pg_catalog, pg_temp as $$
  -- PostgreSQL would truncate a longer name, and the worker would not find the column.
  select btrim(name) <> '' and octet_length(name) <= 63;
$$;
comment on function s3_connector_private.is_column_name(text) is
  'Returns whether a text can be a column''s name, written without quotes: 1 to 63 bytes.';

create or replace function s3_connector_private.order_column(item text)
returns text language sql immutable parallel safe set search_path = pg_catalog, pg_temp as $$
  select btrim(regexp_replace(item, '(\s+(asc|desc))?(\s+nulls\s+(first|last))?\s*$', '', 'i'));
$$;
comment on function s3_connector_private.order_column(text) is
  'Returns the column''s name in an order_by item, such as time in "time desc nulls last".';

create or replace function s3_connector_private.is_time_zone(time_zone text)
returns boolean language plpgsql volatile set timezone = 'UTC' set search_path = pg_catalog, pg_temp as $$
begin
  -- Tried as imports set it. `at time zone` also takes abbreviations, such as PDT, which the setting refuses.
  perform set_config('timezone', time_zone, true);
  return true;
exception when invalid_parameter_value then
  return false;
end;
$$;
comment on function s3_connector_private.is_time_zone(text) is 'Returns whether a text names a time zone.';

create or replace function s3_connector_private.is_encoding(encoding text)
returns boolean language sql stable set search_path = pg_catalog, pg_temp as $$
  select
    -- The worker converts these to UTF-8 before COPY. Names are compared as PostgreSQL compares its own.
    regexp_replace(lower(encoding), '[^a-z0-9]', '', 'g') in ('utf16', 'utf16le', 'utf16be')
    or pg_char_to_encoding(encoding) in (0, (select d.encoding from pg_database d where d.datname = current_database()))
    or exists (
      select from pg_conversion c
      where c.condefault and c.conforencoding = pg_char_to_encoding(is_encoding.encoding)
        and c.contoencoding = (select d.encoding from pg_database d where d.datname = current_database())
    );
$$;
comment on function s3_connector_private.is_encoding(text) is
  'Returns whether COPY in this database, or the worker, can read the encoding.';

create or replace function s3_connector_private.is_type(data_type text)
returns boolean language plpgsql stable set search_path = pg_catalog, public, pg_temp as $$
begin
  -- A column cannot have a pseudo-type, such as record.
  return exists (
    select from pg_catalog.pg_type t
    where t.oid operator(pg_catalog.=) pg_catalog.to_regtype(data_type)::pg_catalog.oid and t.typtype operator(pg_catalog.<>) 'p'
  );
-- Raised if the text is not the syntax of a type, or has a modifier that the type does not take.
exception when syntax_error_or_access_rule_violation or data_exception or feature_not_supported then
  return false;
end;
$$;
comment on function s3_connector_private.is_type(text) is
  'Returns whether a text is a type: one of PostgreSQL''s, one in public, or schema.type.';

-- The following three are called for each import. In plpgsql, a session plans a query once; in sql, each time.
create or replace function s3_connector_import.relation_oid(schema_name text, relation_name text)
returns oid language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  return (
    -- Not by to_regclass, which needs usage on the schema. The connectors' owners have that; the worker may lack it.
    select c.oid from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = schema_name and c.relname = relation_name
  );
end;
$$;
comment on function s3_connector_import.relation_oid(text, text) is
  'Returns the oid of the relation with that name; null if there is none.';

create or replace function s3_connector_import.setting_at_login(role_name text, setting_name text)
returns text language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  return (
    select substr(c.setting, length(setting_name) + 2) from pg_db_role_setting s cross join unnest(s.setconfig) c (setting)
    where s.setrole in (0, to_regrole(quote_ident(role_name)))
      and s.setdatabase in (0, (select d.oid from pg_database d where d.datname = current_database()))
      and starts_with(lower(c.setting), setting_name || '=')
    -- As at a login: of the role in this database, of the role, of the database, of all.
    order by s.setrole = 0, s.setdatabase = 0 limit 1
  );
end;
$$;
comment on function s3_connector_import.setting_at_login(text, text) is
  'Returns what `alter role` and `alter database` set for a login of the role to this database; null if nothing. The name of the setting is in lower case.';

create or replace function s3_connector_import.login_has_own(setting_name text)
returns boolean language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  return exists (
    select from pg_db_role_setting s cross join unnest(s.setconfig) c (setting)
    where s.setrole = to_regrole(quote_ident(session_user))
      and s.setdatabase in (0, (select d.oid from pg_database d where d.datname = current_database()))
      and starts_with(lower(c.setting), setting_name || '=')
  );
end;
$$;
comment on function s3_connector_import.login_has_own(text) is
  'Returns whether the session''s login has the setting for itself. Then the session''s default is not the server''s.';

create or replace function s3_connector_import.usual_date_order(role_name text)
-- The function's end restores the style.
returns text language plpgsql set search_path = pg_catalog, pg_temp set datestyle = 'ISO, MDY' as $$
declare
  style text := s3_connector_import.setting_at_login(role_name, 'datestyle');
begin
  -- Null means the session's default.
  perform set_config('datestyle', case when s3_connector_import.login_has_own('datestyle') then 'ISO, MDY' end, true);
  -- A style may be without an order, and then keeps the default's.
  if style is not null then
    perform set_config('datestyle', style, true);
  end if;
  return split_part(current_setting('datestyle'), ', ', 2);
end;
$$;
comment on function s3_connector_import.usual_date_order(text) is
  'Returns the order of the fields of a date that a role would have after a login to this database: MDY, DMY or YMD.';

create or replace function s3_connector_import.usual_search_path(role_name text)
returns text language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  path text := s3_connector_import.setting_at_login(role_name, 'search_path');
begin
  if path is not null then
    return path;
  elsif s3_connector_import.login_has_own('search_path') then
    return '"$user", public';
  end if;
  -- Null means the session's default. The function's end restores the path.
  perform set_config('search_path', null, true);
  return pg_catalog.current_setting('search_path');
end;
$$;
comment on function s3_connector_import.usual_search_path(text) is
  'Returns the search_path that a role would have after a login to this database.';
