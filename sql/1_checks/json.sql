-- Checks of what is only for JSON files: paths, and options of file_formats.

create or replace function s3_connector_private.is_json_path(path text)
returns boolean language sql immutable parallel safe set search_path = pg_catalog, pg_temp as $$
  -- src/formats/json/path.ts reads the same syntax.
  select path ~ '^\$(\.[^.[\]"[:space:]]+|\."([^"\\]|\\.)+"|\[\d{1,6}\])*$';
$$;
comment on function s3_connector_private.is_json_path(text) is
  'Returns whether a text is a path within a record: $, $.user.id, $.items[0].x, $."odd name".';

create or replace function s3_connector_private.is_idle_date_format(date_format text)
returns boolean language sql immutable parallel safe set search_path = pg_catalog, pg_temp as $$
  -- JSON values go to PostgreSQL as they are, so only server and templates have an effect.
  select date_format <> 'server' and date_format = any (s3_connector_private.date_formats());
$$;
comment on function s3_connector_private.is_idle_date_format(text) is
  'Returns whether a date_format has no effect on JSON: a word other than server.';

create or replace function s3_connector_private.refuse_idle_date_format(m s3_connector.column_mappings, c s3_connector.connectors)
returns void language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  if (s3_connector_private.format_of(c)).kind = 'json' and s3_connector_private.is_idle_date_format(m.date_format)
    and (m.source_column = any (c.hive_columns)) is not true then
    perform s3_connector_private.refuse_mapping('date_format', 'be null, server or a template of to_timestamp for JSON', m.date_format,
      'Compute the time by an expression instead, from milliseconds since 1970: to_timestamp(value::float8 / 1000)');
  end if;
end;
$$;
comment on function s3_connector_private.refuse_idle_date_format(s3_connector.column_mappings, s3_connector.connectors) is
  'Refuses a date_format of a mapping that has no effect on JSON. A part of the key is no JSON.';

create or replace function s3_connector_private.validate_json_options(f s3_connector.file_formats, of_table regclass)
returns void language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  if f.json_records is not null and f.kind <> 'json' then
    perform s3_connector_private.refuse_column(of_table, 'json_records', 'be null unless kind is json', f.json_records);
  end if;
  if f.json_records !~ '^\$(\.[^.[\]"[:space:]]+)+$' or octet_length(f.json_records) > 1000 then
    perform s3_connector_private.refuse_column(of_table, 'json_records', 'be a path of keys, of at most 1000 bytes', f.json_records,
      'Example: $.Records, or $.response.items. Null: the records are found by content.');
  end if;
  if f.kind = 'json' and f.csv_encoding <> 'utf-8' then
    perform s3_connector_private.refuse_column(of_table, 'csv_encoding', 'be utf-8 if kind is json', f.csv_encoding,
      'Leave it out. JSON is written in UTF-8.');
  end if;
  if f.kind = 'json' and f.column_names <> 'as_is' then
    perform s3_connector_private.refuse_column(of_table, 'column_names', 'be as_is if kind is json', f.column_names,
      'Leave it out, and rename keys in column_mappings.');
  end if;
  if f.kind = 'json' and s3_connector_private.is_idle_date_format(f.date_format) then
    perform s3_connector_private.refuse_column(of_table, 'date_format', 'be server, or a template of to_timestamp, if kind is json', f.date_format,
      'Leave it out: PostgreSQL reads the texts. Compute a time from a number by an expression in column_mappings: to_timestamp(value::float8 / 1000).');
  end if;
end;
$$;
comment on function s3_connector_private.validate_json_options(s3_connector.file_formats, regclass) is
  'Refuses options of JSON files that cannot work, and options that JSON files do not have.';
