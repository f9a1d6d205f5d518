-- Progress of the COPY of each running import. PostgreSQL shows other roles' sessions only to superusers and pg_read_all_stats.
-- This function shows it to readers of running_files.

create or replace function s3_connector_private.copy_progress()
returns table (file_id bigint, since timestamptz, bytes bigint, row_count bigint)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select substring(a.application_name from '\d+$')::bigint, a.xact_start, p.bytes_processed,
    -- TimescaleDB's own COPY does not count.
    nullif(p.tuples_processed, 0)
  from pg_stat_activity a
  left join pg_stat_progress_copy p on p.pid = a.pid
  where a.datname = current_database() and a.application_name ~ '^s3_connector import_file \d{1,18}$'
    -- Every role may give its session that name.
    and a.usename in (select w.import_role from s3_connector_private.workers w);
$$;
comment on function s3_connector_private.copy_progress() is
  'Returns the files that sessions are importing now, since when, and the bytes and rows that COPY has taken (null before it starts).';
