-- Makes scale.connectors connectors with files: scale.big for the first connector, scale.small for each other one.
-- Triggers are off, because this script also makes the rows that they would write. Count the totals afterwards.
set session_replication_role = replica;

insert into s3_connector.connectors (name, bucket, pattern, file_format, target_table, max_parallel_files)
select 'connector ' || n, 'bucket', 'data/**', 'csv', 'target', case when n % 10 = 0 then 4 end
from generate_series(1, current_setting('scale.connectors')::integer) n;

insert into s3_connector_private.progress (connector_name, marker, backlog, table_ready, last_poll_at, next_poll_at)
select name, 'data/z', false, true, now(), now() + interval '1 hour' from s3_connector.connectors;

insert into s3_connector_private.workers (host, pid, version, concurrency, stopped_at)
select 'host', n, '0.1.0', 4, case when n > 2 then now() end from generate_series(1, 1000) n;

-- The last three files of each connector are queued. Every 1,000th file failed; every 5,000th was cancelled.
insert into s3_connector.files
  (connector_name, key, etag, size_bytes, last_modified, status, attempts, rows_read, rows_imported, rows_rejected,
   rows_skipped, error_code, error_message, started_at, finished_at, status_since, worker_id)
select
  'connector ' || f.connector,
  format('data/%s/%s/%s-%s.csv', f.connector, to_char(timestamp '2020-01-01' + f.nr * interval '6 hours', 'YYYY/MM/DD'), f.nr, substr(md5(f.nr::text), 1, 12)),
  '"etag"', 1000, f.at, f.status, 1, f.rows, f.rows, f.rows - f.rows, f.rows - f.rows,
  case when f.status = 'failure' then 'bad_value' end,
  case when f.status = 'failure' then 'invalid input syntax for type double precision: "broken"' end,
  f.at, case when f.status in ('success', 'failure', 'cancelled') then f.at end, f.at,
  case when f.status = 'running' then 1 end
from (
  select n.connector, n.nr, n.at, n.status, case when n.status = 'success' then 100 end as rows
  from (
    select i.connector, i.nr, now() - random() * interval '30 days' as at,
      case
        when i.nr > i.files - 3 and i.connector <= 50 and i.nr = i.files then 'running'
        when i.nr > i.files - 3 then 'in_queue'
        when i.i % 1000 = 0 then 'failure'
        when i.i % 5000 = 1 then 'cancelled'
        else 'success'
      end::s3_connector.file_status as status
    from (
      select i,
        case when i <= s.big then 1 else 2 + (i - s.big - 1) / s.small end as connector,
        case when i <= s.big then i else 1 + (i - s.big - 1) % s.small end as nr,
        case when i <= s.big then s.big else s.small end as files
      from (
        select current_setting('scale.connectors')::integer as connectors,
          current_setting('scale.big')::integer as big, current_setting('scale.small')::integer as small
      ) s cross join lateral generate_series(1, s.big + (s.connectors - 1) * s.small) i
    ) i
  ) n
) f;

insert into s3_connector_private.file_history (file_id, from_status, to_status, at, seconds, attempt)
select f.id, 'running', f.status, f.status_since, 1, 1 from s3_connector.files f where f.status <> 'in_queue';

insert into s3_connector.polls (connector_name, started_at, seconds, keys_listed, keys_matched, files_enqueued, list_requests)
select c.name, now() - n * interval '1 minute', 0.1, 1, 1, 1, 1
from s3_connector.connectors c cross join generate_series(1, 20) n;

insert into s3_connector.late_files (connector_name, key, etag, size_bytes, last_modified, reason)
select c.name, 'data/late', '"etag"', 1, now(), 'late' from s3_connector.connectors c where c.name like '%7';

set session_replication_role = origin;

select s3_connector_private.queue_imports(array_agg(f.id order by f.id), array_agg(now() order by f.id))
from s3_connector.files f where f.status = 'in_queue';
