-- Checks of what is only for JSON files: paths, and options of file_formats.

create or replace function s3_connector_private.is_json_path(path text)
returns boolean language sql immutable parallel safe set search_path = pg_catalog, pg_temp as $$
  -- src/formats/json/path.ts reads the same syntax.
  select path ~ '^\$(\.[^.[\]"[:space:]]+|\."([^"\\]|\\.)+"|\[\d{1,6}\])*$';
$$;
comment on function s3_connector_private.is_json_path(text) is
  'Returns whether a text is a path within a record: $, $.user.id, $.items[0].x, $."odd name".';

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
end;
$$;
comment on function s3_connector_private.validate_json_options(s3_connector.file_formats, regclass) is
  'Refuses options of JSON files that cannot work, and options that JSON files do not have.';
