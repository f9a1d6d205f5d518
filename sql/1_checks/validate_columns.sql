-- Checks of hive_columns and transform: columns from a file's key, and rows that DuckDB computes.

create or replace function s3_connector_private.validate_hive_columns(c s3_connector.connectors)
returns void language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  if c.hive_columns = '{}' or array_ndims(c.hive_columns) > 1 or exists (
    select from unnest(c.hive_columns) h where (h <> '' and h !~ '[=/]') is not true
  ) or cardinality(c.hive_columns) > (select count(distinct h) from unnest(c.hive_columns) h) then
    perform s3_connector_private.refuse_setting('hive_columns', 'be a list of names, each once, not empty, and without = and /', c.hive_columns::text,
      'Example: array[''year'', ''month''] for keys like data/year=2026/month=01/a.parquet. Null: none.');
  end if;
end;
$$;
comment on function s3_connector_private.validate_hive_columns(s3_connector.connectors) is
  'Refuses hive_columns that are not column names, or are named twice.';

create or replace function s3_connector_private.option_beyond_duckdb(f s3_connector.file_formats)
returns text language sql immutable set search_path = pg_catalog, pg_temp as $$
  -- DuckDB's reader has no counterpart of these, or another meaning for it. With all columns as text, it converts no value.
  select o.name
  from (values
    (octet_length(f.csv_delimiter) > 4, 'csv_delimiter'),
    (lower(f.csv_encoding) not in ('utf-8', 'utf8'), 'csv_encoding'),
    (cardinality(f.null_values) = 0, 'null_values'),
    (f.layout <> 'csv', 'layout'),
    (f.skip_footer > 0, 'skip_footer'),
    (f.comment_prefix is not null, 'comment_prefix'),
    (f.skip_blank_lines, 'skip_blank_lines'),
    (f.on_short_row <> 'fail', 'on_short_row'),
    (f.on_long_row <> 'fail', 'on_long_row'),
    (f.decimal_separator <> '.', 'decimal_separator'),
    (f.thousands_separator is not null, 'thousands_separator'),
    (f.date_format <> 'server', 'date_format'),
    (f.column_names <> 'as_is', 'column_names'),
    (f.invalid_text <> 'fail', 'invalid_text')
  ) as o (is_beyond, name)
  where o.is_beyond limit 1;
$$;
comment on function s3_connector_private.option_beyond_duckdb(s3_connector.file_formats) is
  'Returns an option of a CSV format with which a transform does not work, because DuckDB reads the file; null if there is none.';

create or replace function s3_connector_private.validate_transform(c s3_connector.connectors)
returns void language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  f s3_connector.file_formats := s3_connector_private.format_of(c);
  beyond text;
begin
  beyond := case when c.transform is not null and f.kind = 'csv' then s3_connector_private.option_beyond_duckdb(f) end;
  if beyond is not null then
    perform s3_connector_private.refuse_setting('transform', format('be null with %s = %s, of file format %s', beyond, coalesce(quote_literal(to_jsonb(f) ->> beyond), 'null'), quote_literal(f.name)), c.transform,
      format('DuckDB reads the files of a connector with a transform, and has no %s. Use a format without it, and do the rest in the transform, where all columns are text. Or compute columns with expression in column_mappings.', beyond));
  end if;
  if c.transform !~* '^\s*\(*\s*(select|with|from)\M' or octet_length(c.transform) > 65536 then
    perform s3_connector_private.refuse_setting('transform', 'be one select of DuckDB''s SQL, of at most 65536 bytes', c.transform,
      'Example: select id, price * 100 as cents from file where price > 0. The relation file has the rows of the file.');
  end if;
end;
$$;
comment on function s3_connector_private.validate_transform(s3_connector.connectors) is
  'Refuses a transform that is not a select, or of a format that DuckDB does not read as it is. The workers find other errors in it.';

create or replace function s3_connector_private.validate_transforms_of_format()
returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform s3_connector_private.validate_transform(c) from s3_connector.connectors c
  where c.file_format = new.name and c.transform is not null;
  return null;
end;
$$;
comment on function s3_connector_private.validate_transforms_of_format() is
  'Refuses a change of a file format with which a transform of a connector would no longer work.';

create or replace trigger validate_transforms_of_format
  after update on s3_connector.file_formats
  for each row when (new is distinct from old) execute function s3_connector_private.validate_transforms_of_format();
