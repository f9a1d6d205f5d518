-- Facts about a target's columnstore that the worker needs before and after it copies directly into it ("direct compress").
-- docs/design.md explains how TimescaleDB does that and which guarantees it needs.

create or replace function s3_connector_import.can_compress_directly()
returns boolean language sql stable set search_path = pg_catalog, pg_temp as $$
  -- Before 2.25.2 TimescaleDB wrote null into generated columns. Before 2.27.2 it freed segment_by values too early.
  select coalesce((
      select string_to_array(substring(e.extversion from '^\d+(?:\.\d+)*'), '.')::integer[] >= array[2, 27, 2]
      from pg_extension e where e.extname = 'timescaledb'
    ), false)
    and current_setting('timescaledb.enable_direct_compress_copy', true) is not null
    and current_setting('timescaledb.enable_direct_compress_copy_sort_batches', true) is not null
    and current_setting('timescaledb.enable_direct_compress_copy_client_sorted', true) is not null;
$$;
comment on function s3_connector_import.can_compress_directly() is
  'Returns whether COPY of this server''s TimescaleDB can write into the columnstore.';

create or replace function s3_connector_import.sorts_by_bytes(collation_oid oid)
returns boolean language sql stable set search_path = pg_catalog, pg_temp as $$
  select collation_oid = 0 or pg_encoding_to_char(d.encoding) = 'UTF8' and case
    -- The column has the database's collation. PostgreSQL 14 has only one provider, and no column for it.
    when c.collname = 'default' and c.collnamespace = 'pg_catalog'::regnamespace
      then case coalesce(to_jsonb(d) ->> 'datlocprovider', 'c') when 'c' then d.datcollate in ('C', 'POSIX') when 'b' then true else false end
    else case c.collprovider when 'c' then c.collcollate in ('C', 'POSIX') when 'b' then true else false end
  end
  from pg_database d left join pg_collation c on c.oid = collation_oid
  where d.datname = current_database();
$$;
comment on function s3_connector_import.sorts_by_bytes(oid) is
  'Returns whether a collation sorts texts by their UTF-8 bytes. 0 means a type without a collation.';

create or replace function s3_connector_import.describe_columnstore(schema_name text, table_name text)
returns jsonb language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  target regclass := s3_connector_import.relation_oid(schema_name, table_name);
  described jsonb;
begin
  if s3_connector_import.timescaledb_schema() is null or not exists (
    select from timescaledb_information.hypertables h
    where h.hypertable_schema = schema_name and h.hypertable_name = table_name and h.compression_enabled
  ) then
    return null;
  end if;
  -- With unique indexes and most triggers (foreign keys are triggers), TimescaleDB itself writes plain rows. Before 2.29 it
  -- ignores exclusion constraints. ts_insert_blocker is TimescaleDB's own trigger, in older versions.
  if exists (select from pg_index i where i.indrelid = target and (i.indisunique or i.indisexclusion))
    or exists (select from pg_trigger t where t.tgrelid = target and t.tgname <> 'ts_insert_blocker')
  then
    return null;
  end if;
  select jsonb_build_object(
    -- Values of the columnstore are compressed already, and pglz takes a seventh of the CPU time of COPY to find that out.
    'toast_compression', (
      select 'lz4' from pg_settings p where p.name = 'default_toast_compression' and p.source = 'default' and 'lz4' = any (p.enumvals)
    ),
    'time_column', (
      select d.column_name from timescaledb_information.dimensions d
      where d.hypertable_schema = schema_name and d.hypertable_name = table_name and d.dimension_number = 1
    ),
    -- Without an order, TimescaleDB chooses one for each chunk, and may choose the segment-by columns.
    'keys', case when bool_or(s.orderby_column_index is not null) then jsonb_agg(
      jsonb_build_object(
        'column', s.attname,
        'segment', s.segmentby_column_index is not null,
        'descending', coalesce(not s.orderby_asc, false),
        'nulls_first', coalesce(s.orderby_nullsfirst, false),
        'by_bytes', case when s.segmentby_column_index is not null
          -- Segments can only be told apart if equal values have equal bytes.
          then a.attcollation = 0 or c.collisdeterministic and getdatabaseencoding() = 'UTF8'
          else s3_connector_import.sorts_by_bytes(a.attcollation)
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
comment on function s3_connector_import.describe_columnstore(text, text) is
  'Returns how a hypertable''s columnstore is sorted: its time column, and its keys (null: TimescaleDB chooses), and how TOAST should compress its values (null: as the server is configured). Null if COPY cannot write into it.';

create or replace function s3_connector_import.overlaps(
  range_start timestamptz, range_end timestamptz, range_start_integer bigint, range_end_integer bigint, first_time text, last_time text
)
returns boolean language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
begin
  if range_start is null then
    return range_start_integer <= last_time::numeric and range_end_integer > first_time::numeric;
  end if;
  -- The reader writes times in UTC, with or without an offset.
  return range_start <= last_time::timestamp at time zone 'UTC' and range_end > first_time::timestamp at time zone 'UTC';
end;
$$;
comment on function s3_connector_import.overlaps(timestamptz, timestamptz, bigint, bigint, text, text) is
  'Returns whether a chunk''s range, of times or of integers, overlaps the range from first_time to last_time.';

create or replace function s3_connector_import.columnstore_between(
  schema_name text, table_name text, first_time text, last_time text, own_chunks oid[]
)
returns text language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  chunks regclass[];
begin
  select array_agg(format('%I.%I', c.chunk_schema, c.chunk_name)::regclass) into chunks
  from timescaledb_information.chunks c
  where c.hypertable_schema = schema_name and c.hypertable_name = table_name
    and s3_connector_import.overlaps(c.range_start, c.range_end, c.range_start_integer, c.range_end_integer, first_time, last_time)
    and format('%I.%I', c.chunk_schema, c.chunk_name)::regclass <> all (own_chunks);
  return (
    select case when chunks is null then 'empty' when count(*) = 0 then 'alike' else 'unlike' end
    from timescaledb_information.chunk_columnstore_settings s
    join timescaledb_information.hypertable_columnstore_settings h on h.hypertable = s.hypertable
    where s.chunk = any (chunks)
      and (s.orderby is distinct from h.orderby or s.segmentby is distinct from h.segmentby)
  );
end;
$$;
comment on function s3_connector_import.columnstore_between(text, text, text, text, oid[]) is
  'Compares the chunks between two times, except those of the caller, with the hypertable''s present settings. Returns empty if there are none, alike if all are sorted that way, unlike if one is not.';

-- A transaction keeps a lock on each table that it wrote to, and a stronger one on each table that it created. From these locks
-- the following functions tell what an earlier COPY in the transaction wrote to, without reading rows.

create or replace function s3_connector_import.created_in_transaction(relation regclass)
returns boolean language sql volatile set search_path = pg_catalog, pg_temp as $$
  select exists (
    select from pg_locks l
    where l.pid = pg_backend_pid() and l.locktype = 'relation' and l.relation = created_in_transaction.relation
      and l.mode = 'AccessExclusiveLock'
  );
$$;
comment on function s3_connector_import.created_in_transaction(regclass) is 'Returns whether this transaction created the table.';

create or replace function s3_connector_import.written_chunks(schema_name text, table_name text)
returns setof regclass language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
begin
  return query
    select s.chunk
    from pg_locks l
    join timescaledb_information.chunk_columnstore_settings s on s.chunk = l.relation
    where l.pid = pg_backend_pid() and l.locktype = 'relation' and l.mode = 'RowExclusiveLock'
      and s.hypertable = s3_connector_import.relation_oid(schema_name, table_name);
end;
$$;
comment on function s3_connector_import.written_chunks(text, text) is
  'Returns the chunks with a columnstore that this transaction wrote to.';

create or replace function s3_connector_import.written_in_order(schema_name text, table_name text, by_itself boolean)
returns oid[] language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
begin
  return (
    select case when coalesce(bool_and(
        s.orderby is not distinct from h.orderby and s.segmentby is not distinct from h.segmentby
        and (not by_itself or s3_connector_import.created_in_transaction(w.chunk))
      ), true) then coalesce(array_agg(w.chunk::oid), '{}') end
    from s3_connector_import.written_chunks(schema_name, table_name) w (chunk)
    join timescaledb_information.chunk_columnstore_settings s on s.chunk = w.chunk
    join timescaledb_information.hypertable_columnstore_settings h on h.hypertable = s.hypertable
  );
end;
$$;
comment on function s3_connector_import.written_in_order(text, text, boolean) is
  'Returns the chunks with a columnstore that this transaction wrote to, if all are sorted as the hypertable''s settings say; otherwise null. With by_itself, it must also have created them, so that no other rows overlap with its own.';

create or replace function s3_connector_import.hides_rows()
returns boolean language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
begin
  -- A bug of TimescaleDB (2.28.3, 2.29.2): after waiting for another transaction to create a chunk, it treats the chunk as its
  -- own, and does not mark it as one with rows outside its columnstore.
  return exists (
    select from pg_locks l
    join _timescaledb_catalog.compression_settings s on s.relid = l.relation
    where l.pid = pg_backend_pid() and l.locktype = 'relation' and l.mode = 'RowExclusiveLock'
      -- Evaluated last, because only chunks have a status.
      and case when s3_connector_import.created_in_transaction(s.compress_relid) and not s3_connector_import.created_in_transaction(s.relid)
        then _timescaledb_functions.chunk_status(s.relid) & 8 = 0 end
  );
end;
$$;
comment on function s3_connector_import.hides_rows() is
  'Returns whether this transaction created a columnstore for an existing chunk in a way that would hide the chunk''s other rows from queries.';

create or replace function s3_connector_import.set_auto_segmentby(value text)
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
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
comment on function s3_connector_import.set_auto_segmentby(text) is
  'Sets, for this transaction, whether COPY chooses the segment-by columns (TimescaleDB 2.27.2 or newer). Null resets it.';
