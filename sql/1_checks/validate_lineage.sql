-- Checks of the columns that say from which file, and from which line of it, each row came.

create or replace function s3_connector_private.validate_lineage(c s3_connector.connectors)
returns void language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  settings constant text[] := array['file_id_column', 'file_key_column', 'line_column'];
  names constant text[] := array[c.file_id_column, c.file_key_column, c.line_column];
  hint text;
  earlier integer;
begin
  for i in 1..3 loop
    hint := format('Name a separate %s column, without quotes. Null: rows do not record their %s.',
      (array['bigint', 'text', 'bigint'])[i], (array['file', 'file''s key', 'line'])[i]);
    if not s3_connector_private.is_column_name(names[i]) or names[i] = c.time_column then
      perform s3_connector_private.refuse_setting(settings[i], 'be a column''s name of 1 to 63 bytes other than time_column', names[i], hint);
    end if;
    earlier := array_position(names[1:i - 1], names[i]);
    if names[i] is not null and earlier is not null then
      perform s3_connector_private.refuse_setting(settings[i], format('be another column than %s', settings[earlier]), names[i], hint);
    end if;
    if names[i] in (c.change_column, c.sequence_column) then
      perform s3_connector_private.refuse_setting(settings[i], 'be another column than change_column and sequence_column', names[i],
        format('Set %s to another column, or leave it out.', settings[i]));
    end if;
    if names[i] = any (c.hive_columns) then
      perform s3_connector_private.refuse_setting('hive_columns', format('not contain the column that %s names', settings[i]), c.hive_columns::text,
        format('Set %s to another column.', settings[i]));
    end if;
  end loop;
  if c.line_column is not null and c.transform is not null then
    perform s3_connector_private.refuse_setting('line_column', 'be null with transform', c.line_column,
      'The rows of a transform are not those of the file. To number them, add row_number() over () to the transform.');
  end if;
end;
$$;
comment on function s3_connector_private.validate_lineage(s3_connector.connectors) is
  'Refuses columns for the id, the key and the line of a file that are no names, or that are filled otherwise, too.';
