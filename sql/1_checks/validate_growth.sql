-- Checks of a connector's settings for columns that its files have and its table lacks.

create or replace function s3_connector_private.validate_growth(c s3_connector.connectors)
returns void language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  f s3_connector.file_formats := s3_connector_private.format_of(c);
begin
  perform s3_connector_private.refuse_out_of_range('max_new_columns', c.max_new_columns, 1, 1600,
    'PostgreSQL allows at most 1600 columns in a table.');
  if c.on_unknown_column = 'add' and c.match_columns_by = 'position' then
    perform s3_connector_private.refuse_setting('on_unknown_column', 'be fail, ignore or rescue with match_columns_by position', c.on_unknown_column,
      'Set match_columns_by to name: columns are added by their names.');
  end if;
  if c.on_unknown_column = 'add' and f.kind = 'csv' and not f.csv_skip_header and f.comment_prefix is null then
    perform s3_connector_private.refuse_setting('on_unknown_column', 'be fail, ignore or rescue for files without a header', c.on_unknown_column,
      'Columns are added by their names. Without names, add them to the table yourself.');
  end if;
  if not s3_connector_private.is_column_name(c.rescue_column) or c.rescue_column in (c.time_column, c.file_id_column, c.file_key_column, c.line_column) then
    perform s3_connector_private.refuse_setting('rescue_column', 'be a column''s name of 1 to 63 bytes other than time_column, file_id_column, file_key_column and line_column', c.rescue_column,
      'Name a separate jsonb column, without quotes.');
  end if;
  if 'rescue' in (c.on_unknown_column, c.on_type_mismatch) and c.rescue_column is null then
    perform s3_connector_private.refuse_setting('rescue_column', format('be given with %s rescue',
      case c.on_unknown_column when 'rescue' then 'on_unknown_column' else 'on_type_mismatch' end), null,
      'Name a jsonb column of the table, without quotes: it gets the values that have no other place.');
  end if;
  if 'rescue' not in (c.on_unknown_column, c.on_type_mismatch) and c.rescue_column is not null then
    perform s3_connector_private.refuse_setting('rescue_column', 'be null unless on_unknown_column or on_type_mismatch is rescue', c.rescue_column,
      'Set one of them to rescue, or leave rescue_column out.');
  end if;
end;
$$;
comment on function s3_connector_private.validate_growth(s3_connector.connectors) is
  'Refuses a connector whose settings for unknown columns contradict each other.';

create or replace function s3_connector_private.validate_growing_table(c s3_connector.connectors)
returns void language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  part text[] := s3_connector_import.table_parts(c.target_table);
  refusal record;
begin
  if c.on_unknown_column <> 'add' and c.on_type_mismatch <> 'widen' then
    return;
  end if;
  select * into refusal from s3_connector_import.refuse_growth(part[1], part[2], c.owner, null, false);
  if refusal.code is not null then
    raise exception '%', refusal.message
      using errcode = 'invalid_parameter_value', hint = refusal.hint, schema = 's3_connector', table = 'connectors',
        column = case c.on_unknown_column when 'add' then 'on_unknown_column' else 'on_type_mismatch' end;
  end if;
end;
$$;
comment on function s3_connector_private.validate_growing_table(s3_connector.connectors) is
  'Refuses on_unknown_column add and on_type_mismatch widen for an existing target of a kind that the connector cannot change.';
