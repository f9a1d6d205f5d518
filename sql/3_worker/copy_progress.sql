-- Progress of the COPY of each running import. PostgreSQL shows other roles' sessions only to superusers and pg_read_all_stats.
-- These functions show it to readers of running_files. An import names its session "s3_connector import_file <id>", and later
-- adds " <rows of earlier COPYs>/<rows of the file>/<its row groups>;", in which 0 is unknown.

create or replace function s3_connector_private.copy_progress()
returns table (file_id bigint, since timestamptz, bytes bigint, row_count bigint)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select substring(a.application_name from 'import_file (\d+)')::bigint, a.xact_start, p.bytes_processed,
    -- TimescaleDB's own COPY does not count.
    nullif(coalesce(substring(a.application_name from ' (\d+)/\d+/\d+;$')::bigint, 0) + coalesce(p.tuples_processed, 0), 0)
  from pg_stat_activity a
  left join pg_stat_progress_copy p on p.pid = a.pid
  where a.datname = current_database() and a.application_name ~ '^s3_connector import_file \d{1,18}( |$)';
$$;
comment on function s3_connector_private.copy_progress() is
  'Returns the files that sessions are importing now, since when, the bytes of the COPY that runs, and the rows so far (null before it starts).';

create or replace function s3_connector_private.copy_totals()
returns table (file_id bigint, row_total bigint, row_groups integer)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select t.found[1]::bigint, nullif(t.found[2]::bigint, 0), nullif(t.found[3]::integer, 0)
  from (
    select regexp_match(a.application_name, '^s3_connector import_file (\d{1,18}) \d+/(\d+)/(\d+);$') as found
    from pg_stat_activity a where a.datname = current_database()
  ) t
  where t.found is not null;
$$;
comment on function s3_connector_private.copy_totals() is
  'Returns the rows and row groups of the files that sessions are importing now, where they are known.';
