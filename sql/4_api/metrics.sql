-- Metrics for a monitoring system. Every worker serves the same ones at /metrics. An exporter that reads SQL can read them here.

create or replace view s3_connector.metrics as
  with families (name, help) as (
    values
      ('s3_connector_connector_running', '1 while the connector is running, 0 while it is paused.'),
      ('s3_connector_files', 'Files of the connector, by status.'),
      ('s3_connector_imported_rows', 'Rows imported, of the files in success.'),
      ('s3_connector_imported_bytes', 'Size in the bucket of the imported objects, of the files in success.'),
      ('s3_connector_caught_up', '1 if the last poll reached the end of the bucket without an error, else 0.'),
      ('s3_connector_last_poll_failed', '1 if the last poll failed, else 0.'),
      ('s3_connector_bucket_unavailable_seconds', 'How long the connector has waited for a bucket that cannot be read at all; 0 if it can be read.'),
      ('s3_connector_last_poll_timestamp_seconds', 'When the last poll began, in Unix time.'),
      ('s3_connector_poll_lag_seconds', 'How long the next poll of a running connector has been overdue; 0 if it is not.'),
      ('s3_connector_behind_seconds', 'Age of the next object that is known and not imported yet; 0 if there is none. The table is that far behind the bucket.'),
      ('s3_connector_longest_import_seconds', 'How long the longest running import has been running; 0 if none is.'),
      ('s3_connector_last_success_timestamp_seconds', 'When a file was last imported, in Unix time.'),
      ('s3_connector_late_files', 'Late and overwritten keys in late_files.'),
      ('s3_connector_last_audit_timestamp_seconds', 'When the last audit without an error ended, in Unix time.'),
      ('s3_connector_last_audit_found_keys', 'Keys that the last audit without an error found late or overwritten.'),
      ('s3_connector_rejected_rows', 'Rows rejected, of the files in success.'),
      ('s3_connector_waiting_files', 'Files and keys that are known and wait for their import. If s3_connector_caught_up is 0, there may be more.'),
      ('s3_connector_workers_alive', 'Worker processes that are alive.')
  ), per_connector as (
    select c.name as connector, figure.name, figure.status, figure.value
    from s3_connector.connector_status c
    join s3_connector_private.progress p on p.connector_name = c.name
    left join s3_connector_private.outages o on o.connector_name = c.name
    left join lateral (
      select q.error is not null as failed from s3_connector.polls q
      where q.connector_name = c.name order by q.started_at desc limit 1
    ) last_poll on true
    left join lateral (
      select a.keys_late + a.keys_overwritten as found from s3_connector.audits a
      where a.connector_name = c.name and not a.recheck and a.finished_at is not null and a.error_code is null
      order by a.started_at desc limit 1
    ) last_audit on c.last_audit_at is not null
    cross join lateral (
      select min(f.started_at) as started_at from s3_connector.files f
      where f.connector_name = c.name and f.status = 'running' and c.running > 0
    ) longest
    cross join lateral (
      values
        ('s3_connector_connector_running', null, case c.state when 'running' then 1 else 0 end::float8),
        ('s3_connector_files', 'in_queue', c.in_queue),
        ('s3_connector_files', 'running', c.running),
        ('s3_connector_files', 'pending_retry', c.pending_retry),
        ('s3_connector_files', 'paused', c.paused),
        ('s3_connector_files', 'success', c.success),
        ('s3_connector_files', 'failure', c.failure),
        ('s3_connector_files', 'cancelled', c.cancelled),
        ('s3_connector_files', 'undone', c.undone),
        ('s3_connector_imported_rows', null, c.rows_total),
        ('s3_connector_imported_bytes', null, c.bytes_total),
        ('s3_connector_caught_up', null, c.caught_up::integer),
        ('s3_connector_last_poll_failed', null, coalesce(last_poll.failed, false)::integer),
        ('s3_connector_bucket_unavailable_seconds', null,
          greatest(0, coalesce(extract(epoch from now() - o.since), 0))),
        ('s3_connector_last_poll_timestamp_seconds', null, extract(epoch from c.last_poll_at)),
        -- A schedule without a next time is due at infinity, which cannot be subtracted.
        ('s3_connector_poll_lag_seconds', null,
          case when c.next_poll_at < now() then extract(epoch from now() - c.next_poll_at) else 0 end),
        ('s3_connector_behind_seconds', null,
          greatest(0, coalesce(extract(epoch from c.lag), 0))),
        ('s3_connector_longest_import_seconds', null,
          greatest(0, coalesce(extract(epoch from clock_timestamp() - longest.started_at), 0))),
        ('s3_connector_last_success_timestamp_seconds', null, extract(epoch from c.last_success_at)),
        ('s3_connector_late_files', null, c.late),
        ('s3_connector_last_audit_timestamp_seconds', null, extract(epoch from c.last_audit_at)),
        ('s3_connector_last_audit_found_keys', null, last_audit.found),
        ('s3_connector_rejected_rows', null, c.rejected),
        ('s3_connector_waiting_files', null, c.waiting)
    ) as figure (name, status, value)
  ), figures as (
    select f.name, jsonb_strip_nulls(jsonb_build_object('connector', f.connector, 'status', f.status)) as labels, f.value
    from per_connector f where f.value is not null
    union all
    select 's3_connector_workers_alive', '{}', (select count(*) from s3_connector_private.alive_workers())
  )
  -- All are gauges: even totals decrease when a file is undone or a connector dropped.
  select name, 'gauge'::text as type, families.help, figures.labels, figures.value::double precision as value
  from families join figures using (name);
comment on view s3_connector.metrics is
  'Metrics of the connectors for a monitoring system, one row per metric and labels. Every worker serves the same values at /metrics, so do not sum them over workers.';
comment on column s3_connector.metrics.name is 'The metric''s name with its unit, in the style of Prometheus.';
comment on column s3_connector.metrics.type is 'The metric''s type in Prometheus: gauge.';
comment on column s3_connector.metrics.help is 'What the metric says.';
comment on column s3_connector.metrics.labels is 'The labels: connector, and status for s3_connector_files.';
comment on column s3_connector.metrics.value is 'The present value.';
