-- Checks of change_column, change_values and sequence_column: the settings of connectors whose files change rows.

create or replace function s3_connector_private.change_presets()
returns jsonb language sql immutable parallel safe set search_path = pg_catalog, pg_temp as $$
  select jsonb_build_object(
    'dms', '{"I": "insert", "U": "update", "D": "delete"}'::jsonb,
    -- The values of __op, and those of __deleted. A truncate is no change of a row: it fails the file.
    'debezium', '{"c": "insert", "r": "insert", "u": "update", "d": "delete", "t": "truncate", "true": "delete", "false": "update"}'::jsonb
  );
$$;
comment on function s3_connector_private.change_presets() is
  'Returns the presets of change_values by name, each as a map of values to changes.';

create or replace function s3_connector_private.change_map(change_values text)
returns jsonb language plpgsql immutable parallel safe set search_path = pg_catalog, pg_temp as $$
declare
  preset jsonb := s3_connector_private.change_presets() -> change_values;
begin
  return coalesce(preset, change_values::jsonb);
end;
$$;
comment on function s3_connector_private.change_map(text) is
  'Returns what each value of change_column means: insert, update, delete, ignore or truncate. Null for null. Raises an error if the text is neither a preset nor JSON.';

create or replace function s3_connector_private.is_change_map(change_values text)
returns boolean language plpgsql immutable parallel safe set search_path = pg_catalog, pg_temp as $$
declare
  map jsonb;
begin
  map := s3_connector_private.change_map(change_values);
  if s3_connector_private.change_presets() ? change_values then
    return true;
  end if;
  return jsonb_typeof(map) = 'object' and (
    select count(*) between 1 and 100 and bool_and(jsonb_typeof(m.value) = 'string' and m.value #>> '{}' in ('insert', 'update', 'delete', 'ignore'))
    from jsonb_each(map) m
  );
exception
  when data_exception then
    return false;
end;
$$;
comment on function s3_connector_private.is_change_map(text) is
  'Returns whether a text is the name of a preset, or a JSON object whose values are insert, update, delete or ignore.';

create or replace function s3_connector_private.refuse_with_changes(column_name text, must text, got text, hint text)
returns void language sql stable set search_path = pg_catalog, pg_temp as $$
  select s3_connector_private.refuse_setting(column_name, must || ' with change_column', got, hint);
$$;
comment on function s3_connector_private.refuse_with_changes(text, text, text, text) is
  'Refuses a setting that does not go together with change_column.';

create or replace function s3_connector_private.validate_change_combinations(c s3_connector.connectors)
returns void language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  if c.on_conflict <> 'fail' then
    perform s3_connector_private.refuse_with_changes('on_conflict', 'be fail, its default,', c.on_conflict,
      'Leave on_conflict out: an insert of a key that is there updates its row.');
  end if;
  if c.late_keys <> 'report' then
    perform s3_connector_private.refuse_with_changes('late_keys', 'be report', c.late_keys,
      'Leave late_keys out: a late file would put older changes over newer ones. import_late(name, pattern) applies it when you decide so.');
  end if;
  if c.on_overwrite = 'reimport' then
    perform s3_connector_private.refuse_with_changes('on_overwrite', 'be ignore or report', c.on_overwrite,
      'Set on_overwrite to report: rows that a file has updated or deleted cannot be brought back.');
  end if;
  if c.max_parallel_files > 1 then
    perform s3_connector_private.refuse_with_changes('max_parallel_files', 'be null or 1', c.max_parallel_files::text,
      'Leave max_parallel_files out: files that change rows are applied one after another, in key order.');
  end if;
  if c.columnstore then
    perform s3_connector_private.refuse_with_changes('columnstore', 'be false', 'true',
      'Leave columnstore out: TimescaleDB''s MERGE does not update or delete rows of a hypertable with a columnstore.');
  end if;
  if c.change_column = any (c.hive_columns) or c.sequence_column = any (c.hive_columns) then
    perform s3_connector_private.refuse_setting('hive_columns', 'not contain change_column or sequence_column', c.hive_columns::text,
      'Remove it from hive_columns: both are columns of the file.');
  end if;
  if c.rescue_column in (c.change_column, c.sequence_column) then
    perform s3_connector_private.refuse_setting('rescue_column', 'be another column than change_column and sequence_column', c.rescue_column,
      'Set rescue_column to another column.');
  end if;
end;
$$;
comment on function s3_connector_private.validate_change_combinations(s3_connector.connectors) is
  'Refuses settings that do not go together with change_column.';

create or replace function s3_connector_private.validate_changes(c s3_connector.connectors)
returns void language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  example text := 'Example: {"I": "insert", "U": "update", "D": "delete"}, or a preset: ' ||
    (select string_agg(p, ', ' order by p) from jsonb_object_keys(s3_connector_private.change_presets()) p) || '.';
  f s3_connector.file_formats := s3_connector_private.format_of(c);
  has_names boolean;
begin
  if c.change_column is null then
    if coalesce(c.change_values, c.sequence_column) is not null then
      perform s3_connector_private.refuse_setting(case when c.change_values is null then 'sequence_column' else 'change_values' end,
        'be null unless change_column is set', coalesce(c.change_values, c.sequence_column),
        'Set change_column to the column of the file that says insert, update or delete, such as Op.');
    end if;
    return;
  end if;
  if c.change_column = '' or octet_length(c.change_column) > 10000 then
    perform s3_connector_private.refuse_setting('change_column', 'name a column of the file', c.change_column,
      'Example: Op. Null: the files change no rows, they only add some.');
  end if;
  if c.change_values is null then
    perform s3_connector_private.refuse_setting('change_values', 'be given with change_column', null, example);
  end if;
  if not s3_connector_private.is_change_map(c.change_values) then
    perform s3_connector_private.refuse_setting('change_values',
      'be dms, debezium, or a JSON object of values and what they mean: insert, update, delete or ignore', c.change_values, example);
  end if;
  if c.sequence_column = '' or c.sequence_column = c.change_column or octet_length(c.sequence_column) > 10000 then
    perform s3_connector_private.refuse_setting('sequence_column', 'name a column of the file other than change_column', c.sequence_column,
      'Example: commit_lsn. Null: in a file, the last row of a key wins.');
  end if;
  -- A comment such as #Fields: may name the columns of a file without a header.
  has_names := c.match_columns_by = 'name' and (f.kind <> 'csv' or f.csv_skip_header or f.comment_prefix is not null);
  if not has_names and (c.change_column !~ '^[1-9]\d{0,3}$' or c.sequence_column !~ '^[1-9]\d{0,3}$') then
    perform s3_connector_private.refuse_setting(case when c.change_column !~ '^[1-9]\d{0,3}$' then 'change_column' else 'sequence_column' end,
      'be a position, from 1, because the columns are matched by position',
      case when c.change_column !~ '^[1-9]\d{0,3}$' then c.change_column else c.sequence_column end,
      'Example: 1, for the first column of the file. Or use files with a header.');
  end if;
  perform s3_connector_private.validate_change_combinations(c);
end;
$$;
comment on function s3_connector_private.validate_changes(s3_connector.connectors) is
  'Refuses a connector whose settings for files that change rows cannot work.';
