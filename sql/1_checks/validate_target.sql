-- Checks of a connector's settings for its target table.

create or replace function s3_connector_private.validate_table(target_table text)
returns void language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
declare
  part text[] := s3_connector_import.table_parts(target_table);
begin
  if octet_length(part[1]) > 63 or octet_length(part[2]) > 63 then
    perform s3_connector_private.refuse_setting('target_table', 'have names of at most 63 bytes', target_table,
      'Shorten the name: PostgreSQL truncates longer ones.');
  end if;
  if part[1] ~ '^pg_' or part[1] in ('information_schema', 's3_connector', 's3_connector_ask', 's3_connector_private', 's3_connector_import', 's3_connector_queue') then
    perform s3_connector_private.refuse_setting('target_table', 'be a table of your own', target_table,
      format('Choose another schema: %s belongs to PostgreSQL or to the connector.', part[1]));
  end if;
end;
$$;
comment on function s3_connector_private.validate_table(text) is
  'Refuses a target_table that is not a table''s name, or that is in a system schema.';

create or replace function s3_connector_private.validate_columnstore(c s3_connector.connectors)
returns void language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  item text;
  ordered text[] := array(select s3_connector_private.order_column(i) from unnest(c.order_by) i);
begin
  if c.columnstore and c.hypertable is false then
    perform s3_connector_private.refuse_setting('columnstore', 'be false if hypertable is false', 'true',
      'Set hypertable to true or null: only a hypertable has a columnstore.');
  end if;
  if not c.columnstore and coalesce(c.segment_by, c.order_by) is not null then
    perform s3_connector_private.refuse_setting(
      case when c.segment_by is null then 'order_by' else 'segment_by' end, 'be null unless columnstore is true',
      coalesce(c.segment_by, c.order_by)::text);
  end if;
  if c.segment_by = '{}' or array_ndims(c.segment_by) > 1 or exists (
    select from unnest(c.segment_by) s where s3_connector_private.is_column_name(s) is not true
  ) then
    perform s3_connector_private.refuse_setting('segment_by', 'be a list of column names', c.segment_by::text,
      'Examples: array[''device''], ''{device,site}''. Null: none.');
  end if;
  if c.order_by = '{}' or array_ndims(c.order_by) > 1 or exists (
    select from unnest(ordered) o where (s3_connector_private.is_column_name(o) and o !~ '"|,') is not true
  ) then
    perform s3_connector_private.refuse_setting('order_by', 'be a list of columns, each optionally with asc or desc and nulls first or last', c.order_by::text,
      'Example: array[''time desc'', ''Site nulls last'']. Give one column an item, without quotes. Null: TimescaleDB''s choice.');
  end if;
  foreach item in array coalesce(c.segment_by, '{}') || ordered loop
    if (select count(*) from unnest(c.segment_by || ordered) i where i = item) > 1 then
      perform s3_connector_private.refuse_setting(
        case when item = any (ordered) then 'order_by' else 'segment_by' end,
        'name each column once, and no column of segment_by', item);
    end if;
  end loop;
end;
$$;
comment on function s3_connector_private.validate_columnstore(s3_connector.connectors) is
  'Refuses a connector whose columnstore settings cannot work.';

create or replace function s3_connector_private.validate_target(c s3_connector.connectors)
returns void language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  perform s3_connector_private.validate_table(c.target_table);
  if not s3_connector_private.is_column_name(c.time_column) then
    perform s3_connector_private.refuse_setting('time_column', 'be a column''s name of 1 to 63 bytes', c.time_column,
      'Write it without quotes. Null: the worker suggests one.');
  end if;
  -- The end of a longer chunk could lie beyond the last timestamp.
  if not (c.chunk_interval > interval '0' and c.chunk_interval <= interval '100 years') then
    perform s3_connector_private.refuse_setting('chunk_interval', 'be above zero and at most 100 years', c.chunk_interval::text,
      'Example: 1 day. Choose it so that the chunks that are being written fit into memory.');
  end if;
  if c.primary_key = '{}' or array_ndims(c.primary_key) > 1 or exists (
    select from unnest(c.primary_key) k where s3_connector_private.is_column_name(k) is not true
  ) or cardinality(c.primary_key) > (select count(distinct k) from unnest(c.primary_key) k) then
    perform s3_connector_private.refuse_setting('primary_key', 'be a list of column names, each once', c.primary_key::text,
      'Examples: array[''id''], ''{device,time}''. Null: a created table has no key.');
  end if;
  perform s3_connector_private.validate_columnstore(c);
end;
$$;
comment on function s3_connector_private.validate_target(s3_connector.connectors) is
  'Refuses a connector whose settings for its target table cannot work.';

create or replace function s3_connector_private.write_mode(c s3_connector.connectors)
returns text language sql immutable parallel safe
return case when (c).change_column is null then (c).on_conflict else 'apply_changes' end;
comment on function s3_connector_private.write_mode(s3_connector.connectors) is
  'Returns how files are written into the table: on_conflict, or apply_changes if they change rows.';

create or replace function s3_connector_private.validate_target_kind(c s3_connector.connectors)
returns void language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  part text[] := s3_connector_import.table_parts(c.target_table);
  refusal record;
begin
  select * into refusal
  from s3_connector_import.refuse_target(part[1], part[2], c.owner, s3_connector_private.write_mode(c), c.allow_unlogged);
  if refusal.code is not null then
    raise exception '%', refusal.message using errcode = 'invalid_parameter_value', hint = refusal.hint,
      schema = 's3_connector', table = 'connectors', column = case refusal.code
        when 'no_unique_key' then case when c.change_column is null then 'on_conflict' else 'change_column' end when 'table_unlogged' then 'allow_unlogged' else 'target_table' end;
  end if;
end;
$$;
comment on function s3_connector_private.validate_target_kind(s3_connector.connectors) is
  'Refuses a connector whose target table exists and is of a kind that its files cannot go into.';
