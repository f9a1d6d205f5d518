-- What the worker asks about a target's columnstore, before and after it copies straight into it. How TimescaleDB goes
-- about it, and what it relies on, is in docs/design.md.

create or replace function s3_connector_private.can_compress_directly()
returns boolean language sql stable as $$
  -- Before 2.25.2 generated columns came out null, before 2.27.2 segment_by values were freed too early.
  select coalesce((
      select string_to_array(substring(e.extversion from '^\d+(?:\.\d+)*'), '.')::integer[] >= array[2, 27, 2]
      from pg_extension e where e.extname = 'timescaledb'
    ), false)
    and current_setting('timescaledb.enable_direct_compress_copy', true) is not null
    and current_setting('timescaledb.enable_direct_compress_copy_sort_batches', true) is not null
    and current_setting('timescaledb.enable_direct_compress_copy_client_sorted', true) is not null;
$$;
comment on function s3_connector_private.can_compress_directly() is
  'Whether this server''s TimescaleDB is one whose COPY can write into the columnstore.';

create or replace function s3_connector_private.sorts_by_bytes(collation_oid oid)
returns boolean language sql stable as $$
  select collation_oid = 0 or pg_encoding_to_char(d.encoding) = 'UTF8' and case
    -- The column has the database's collation. PostgreSQL 14 knows one provider only, and has no column for it.
    when c.collname = 'default' and c.collnamespace = 'pg_catalog'::regnamespace
      then case coalesce(to_jsonb(d) ->> 'datlocprovider', 'c') when 'c' then d.datcollate in ('C', 'POSIX') when 'b' then true else false end
    else case c.collprovider when 'c' then c.collcollate in ('C', 'POSIX') when 'b' then true else false end
  end
  from pg_database d left join pg_collation c on c.oid = collation_oid
  where d.datname = current_database();
$$;
comment on function s3_connector_private.sorts_by_bytes(oid) is
  'Whether a collation sorts texts by their UTF-8 bytes; 0, which is none, is that of types that are no text.';

create or replace function s3_connector_private.describe_columnstore(schema_name text, table_name text)
returns jsonb language plpgsql stable as $$
declare
  target regclass := s3_connector_private.relation_oid(schema_name, table_name);
  described jsonb;
begin
  if s3_connector_private.timescaledb_schema() is null or not exists (
    select from timescaledb_information.hypertables h
    where h.hypertable_schema = schema_name and h.hypertable_name = table_name and h.compression_enabled
  ) then
    return null;
  end if;
  -- TimescaleDB itself goes the plain way where there are unique indexes, and for most triggers (foreign keys are such);
  -- before 2.29 it does not look at exclusion constraints. The one trigger is TimescaleDB's own, of older versions.
  if exists (select from pg_index i where i.indrelid = target and (i.indisunique or i.indisexclusion))
    or exists (select from pg_trigger t where t.tgrelid = target and t.tgname <> 'ts_insert_blocker')
  then
    return null;
  end if;
  select jsonb_build_object(
    'time_column', (
      select d.column_name from timescaledb_information.dimensions d
      where d.hypertable_schema = schema_name and d.hypertable_name = table_name and d.dimension_number = 1
    ),
    -- Where there is no order, TimescaleDB finds one for each chunk, and may choose what to segment by.
    'keys', case when bool_or(s.orderby_column_index is not null) then jsonb_agg(
      jsonb_build_object(
        'column', s.attname,
        'segment', s.segmentby_column_index is not null,
        'descending', coalesce(not s.orderby_asc, false),
        'nulls_first', coalesce(s.orderby_nullsfirst, false),
        'by_bytes', case when s.segmentby_column_index is not null
          -- To keep segments apart, what is the same must be the same bytes.
          then a.attcollation = 0 or c.collisdeterministic and getdatabaseencoding() = 'UTF8'
          else s3_connector_private.sorts_by_bytes(a.attcollation)
        end
      ) order by s.segmentby_column_index nulls last, s.orderby_column_index
    ) end
  ) into described
  from timescaledb_information.compression_settings s
  join pg_attribute a on a.attrelid = target and a.attname = s.attname
  left join pg_collation c on c.oid = a.attcollation
  where s.hypertable_schema = schema_name and s.hypertable_name = table_name;
  return described;
end;
$$;
comment on function s3_connector_private.describe_columnstore(text, text) is
  'How a hypertable''s columnstore is sorted: its time column, and keys (null: as TimescaleDB sees fit). Null where COPY cannot write into it.';

create or replace function s3_connector_private.overlaps(
  range_start timestamptz, range_end timestamptz, range_start_integer bigint, range_end_integer bigint, first_time text, last_time text
)
returns boolean language plpgsql immutable as $$
begin
  if range_start is null then
    return range_start_integer <= last_time::numeric and range_end_integer > first_time::numeric;
  end if;
  -- The reader writes times in UTC, with an offset or without.
  return range_start <= last_time::timestamp at time zone 'UTC' and range_end > first_time::timestamp at time zone 'UTC';
end;
$$;
comment on function s3_connector_private.overlaps(timestamptz, timestamptz, bigint, bigint, text, text) is
  'Whether a chunk''s range, of times or of integers, has a part in common with that from the first to the last time.';

create or replace function s3_connector_private.columnstore_between(schema_name text, table_name text, first_time text, last_time text)
returns text language plpgsql stable as $$
declare
  chunks regclass[];
begin
  select array_agg(format('%I.%I', c.chunk_schema, c.chunk_name)::regclass) into chunks
  from timescaledb_information.chunks c
  where c.hypertable_schema = schema_name and c.hypertable_name = table_name
    and s3_connector_private.overlaps(c.range_start, c.range_end, c.range_start_integer, c.range_end_integer, first_time, last_time);
  return (
    select case when chunks is null then 'empty' when count(*) = 0 then 'alike' else 'unlike' end
    from timescaledb_information.chunk_columnstore_settings s
    join timescaledb_information.hypertable_columnstore_settings h on h.hypertable = s.hypertable
    where s.chunk = any (chunks)
      and (s.orderby is distinct from h.orderby or s.segmentby is distinct from h.segmentby)
  );
end;
$$;
comment on function s3_connector_private.columnstore_between(text, text, text, text) is
  'Whether there are chunks between two times: empty, none; alike, they are sorted as the hypertable''s settings say now; unlike, one is not.';

-- What a transaction has written to it holds a lock on until its end, and another one on what it has made. So these tell
-- what the COPY before them has met, without reading a row.

create or replace function s3_connector_private.created_in_transaction(relation regclass)
returns boolean language sql volatile as $$
  select exists (
    select from pg_locks l
    where l.pid = pg_backend_pid() and l.locktype = 'relation' and l.relation = created_in_transaction.relation
      and l.mode = 'AccessExclusiveLock'
  );
$$;
comment on function s3_connector_private.created_in_transaction(regclass) is 'Whether this transaction has made a table.';

create or replace function s3_connector_private.written_chunks(schema_name text, table_name text)
returns setof regclass language plpgsql volatile as $$
begin
  return query
    select s.chunk
    from pg_locks l
    join timescaledb_information.chunk_columnstore_settings s on s.chunk = l.relation
    where l.pid = pg_backend_pid() and l.locktype = 'relation' and l.mode = 'RowExclusiveLock'
      and s.hypertable = s3_connector_private.relation_oid(schema_name, table_name);
end;
$$;
comment on function s3_connector_private.written_chunks(text, text) is
  'The chunks with a columnstore that this transaction has written to.';

create or replace function s3_connector_private.is_sorted_as_declared(schema_name text, table_name text, by_itself boolean)
returns boolean language plpgsql volatile as $$
begin
  return not exists (
    select from s3_connector_private.written_chunks(schema_name, table_name) w (chunk)
    join timescaledb_information.chunk_columnstore_settings s on s.chunk = w.chunk
    join timescaledb_information.hypertable_columnstore_settings h on h.hypertable = s.hypertable
    where s.orderby is distinct from h.orderby or s.segmentby is distinct from h.segmentby
      or by_itself and not s3_connector_private.created_in_transaction(w.chunk)
  );
end;
$$;
comment on function s3_connector_private.is_sorted_as_declared(text, text, boolean) is
  'Whether all chunks that this transaction wrote to are sorted as the hypertable''s settings say, and (by_itself) were made by it, so that no other rows overlap with its own.';

create or replace function s3_connector_private.hides_rows()
returns boolean language plpgsql volatile as $$
begin
  -- TimescaleDB (2.28.3, 2.29.2) takes a chunk that it waited for another transaction to make for one that it made itself,
  -- and does not mark it as one with rows outside its columnstore.
  return exists (
    select from pg_locks l
    join _timescaledb_catalog.compression_settings s on s.relid = l.relation
    where l.pid = pg_backend_pid() and l.locktype = 'relation' and l.mode = 'RowExclusiveLock'
      -- Asked last, as only chunks have a status.
      and case when s3_connector_private.created_in_transaction(s.compress_relid) and not s3_connector_private.created_in_transaction(s.relid)
        then _timescaledb_functions.chunk_status(s.relid) & 8 = 0 end
  );
end;
$$;
comment on function s3_connector_private.hides_rows() is
  'Whether this transaction made a columnstore for a chunk that was there before, and queries would see that alone.';

create or replace function s3_connector_private.set_auto_segmentby(value text)
returns void language plpgsql as $$
begin
  if current_setting('timescaledb.enable_direct_compress_auto_segmentby', true) is null then
    return;
  elsif value is null then
    set local timescaledb.enable_direct_compress_auto_segmentby to default;
  else
    perform set_config('timescaledb.enable_direct_compress_auto_segmentby', value, true);
  end if;
end;
$$;
comment on function s3_connector_private.set_auto_segmentby(text) is
  'Sets, for this transaction, whether COPY chooses what a columnstore is segmented by (TimescaleDB 2.27.2 or newer); null sets it back.';
