-- Progress of the COPY of each running import. PostgreSQL shows other roles' sessions only to superusers and pg_read_all_stats.
-- These functions show it to readers of running_files. An import names its session "s3_connector import_file <id>", and later
-- adds " <rows of earlier COPYs>/<rows of the file>/<its row groups>;", in which 0 is unknown.

create or replace function s3_connector_private.import_sessions()
returns table (pid integer, since timestamptz, file_id bigint, earlier_rows bigint, row_total bigint, row_groups bigint)
language sql stable set search_path = pg_catalog, pg_temp as $$
  select a.pid, a.xact_start, n.parts[1]::bigint, n.parts[3]::bigint, n.parts[4]::bigint, n.parts[5]::bigint
  from pg_stat_activity a,
    regexp_match(
      a.application_name, '^s3_connector import_file (\d{1,18})( (\d{1,18})/(\d{1,18})/(\d{1,9});)?$'
    ) as n (parts)
  where a.datname = current_database() and n.parts is not null
    -- Every role may give its session such a name.
    and a.usename in (select w.import_role from s3_connector_private.workers w);
$$;
comment on function s3_connector_private.import_sessions() is
  'Returns the sessions that import files now, with what their names say; null before an import knows it.';

create or replace function s3_connector_private.copy_progress()
returns table (file_id bigint, since timestamptz, bytes bigint, row_count bigint)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select s.file_id, s.since, p.bytes_processed,
    -- TimescaleDB's own COPY does not count.
    nullif(coalesce(s.earlier_rows, 0) + coalesce(p.tuples_processed, 0), 0)
  from s3_connector_private.import_sessions() s
  left join pg_stat_progress_copy p on p.pid = s.pid;
$$;
comment on function s3_connector_private.copy_progress() is
  'Returns the files that sessions are importing now, since when, the bytes of the COPY that runs, and the rows so far (null before it starts).';

create or replace function s3_connector_private.copy_totals()
returns table (file_id bigint, row_total bigint, row_groups integer)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select s.file_id, nullif(s.row_total, 0), nullif(s.row_groups, 0)::integer
  from s3_connector_private.import_sessions() s where s.row_total is not null;
$$;
comment on function s3_connector_private.copy_totals() is
  'Returns the rows and row groups of the files that sessions are importing now, where they are known.';
