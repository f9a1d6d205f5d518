-- Names that a connector gives: tables, columns, time zones, encodings, types.

create or replace function s3_connector_private.table_parts(target_table text)
returns text[] language plpgsql immutable as $$
declare
  part text[];
begin
  begin
    part := parse_ident(target_table);
  exception when invalid_parameter_value then
    part := null;
  end;
  if part is null or cardinality(part) > 2 then
    perform s3_connector_private.refuse('target_table must be a table name: table, or schema.table', target_table,
      'Quote a name with capitals or odd characters as SQL does: public."My Table".');
  end if;
  return case cardinality(part) when 1 then array['public', part[1]] else part end;
end;
$$;
comment on function s3_connector_private.table_parts(text) is
  'Schema and table of a target_table, unquoted; without a schema it is public.';

create or replace function s3_connector_private.is_column_name(name text)
returns boolean language sql immutable parallel safe as $$
  -- PostgreSQL would cut a longer one off, and then not find it again.
  select btrim(name) <> '' and octet_length(name) <= 63;
$$;
comment on function s3_connector_private.is_column_name(text) is
  'Whether a text can be a column''s name as it stands, without quotes: 1 to 63 bytes.';

create or replace function s3_connector_private.order_column(item text)
returns text language sql immutable parallel safe as $$
  select btrim(regexp_replace(item, '(\s+(asc|desc))?(\s+nulls\s+(first|last))?\s*$', '', 'i'));
$$;
comment on function s3_connector_private.order_column(text) is
  'The column of an order_by item, such as time desc nulls last: its name as it stands, without quotes.';

create or replace function s3_connector_private.is_time_zone(time_zone text)
returns boolean language plpgsql volatile set timezone = 'UTC' as $$
begin
  -- As imports will set it. `at time zone` also takes abbreviations, such as PDT, that the setting does not know.
  perform set_config('timezone', time_zone, true);
  return true;
exception when invalid_parameter_value then
  return false;
end;
$$;
comment on function s3_connector_private.is_time_zone(text) is 'Whether a text names a time zone.';

create or replace function s3_connector_private.is_encoding(encoding text)
returns boolean language sql stable as $$
  select
    -- Ours: they are turned into UTF-8 before COPY sees them. Compared as PostgreSQL compares the names of its own.
    regexp_replace(lower(encoding), '[^a-z0-9]', '', 'g') in ('utf16', 'utf16le', 'utf16be')
    or pg_char_to_encoding(encoding) in (0, (select d.encoding from pg_database d where d.datname = current_database()))
    or exists (
      select from pg_conversion c
      where c.condefault and c.conforencoding = pg_char_to_encoding(is_encoding.encoding)
        and c.contoencoding = (select d.encoding from pg_database d where d.datname = current_database())
    );
$$;
comment on function s3_connector_private.is_encoding(text) is
  'Whether COPY can read the encoding in this database, or we can.';

create or replace function s3_connector_private.is_type(data_type text)
returns boolean language plpgsql stable set search_path = pg_catalog, public, pg_temp as $$
begin
  -- A pseudo-type, such as record, is no type of a column.
  return exists (
    select from pg_catalog.pg_type t where t.oid = pg_catalog.to_regtype(data_type) and t.typtype <> 'p'
  );
-- Not a type's grammar, or a modifier that the type does not take.
exception when syntax_error_or_access_rule_violation or data_exception or feature_not_supported then
  return false;
end;
$$;
comment on function s3_connector_private.is_type(text) is
  'Whether a text is a type: one of PostgreSQL''s, one in public, or schema.type.';
