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
  if c.file_id_column = any (c.hive_columns) then
    perform s3_connector_private.refuse_setting('hive_columns', 'not contain the column that file_id_column names', c.hive_columns::text,
      'Set file_id_column to another column.');
  end if;
end;
$$;
comment on function s3_connector_private.validate_hive_columns(s3_connector.connectors) is
  'Refuses hive_columns that are not column names, or are named twice.';

create or replace function s3_connector_private.validate_transform(c s3_connector.connectors)
returns void language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  if c.transform is not null and (s3_connector_private.require_file_format(c.file_format)).kind <> 'parquet' then
    perform s3_connector_private.refuse_setting('transform', format('be null with file_format %s', c.file_format), c.transform,
      'Use column_mappings, generated columns, a trigger of the table, or on_import. Only Parquet is read by DuckDB, which runs transform.');
  end if;
  if c.transform !~* '^\s*\(*\s*(select|with|from)\M' or octet_length(c.transform) > 65536 then
    perform s3_connector_private.refuse_setting('transform', 'be one select of DuckDB''s SQL, of at most 65536 bytes', c.transform,
      'Example: select id, price * 100 as cents from file where price > 0. The relation file has the rows of the file.');
  end if;
end;
$$;
comment on function s3_connector_private.validate_transform(s3_connector.connectors) is
  'Refuses a transform that is not a select, or of a format that DuckDB does not read. The workers find other errors in it.';
