-- Recent throughput, for charts.

create or replace view s3_connector.throughput as
  select r.connector_name, r.seconds, r.since, sum(r.rows)::bigint as rows, sum(r.bytes)::bigint as bytes
  from (
    select t.connector_name, t.seconds, t.since, t.rows, t.bytes
    from s3_connector_private.recent_totals t
    union all
    -- Changes that fold_totals has not moved yet.
    select d.connector_name, width.seconds, date_bin(width.seconds * interval '1 second', d.minute, 'epoch'), d.rows, d.bytes
    from s3_connector_private.total_changes d cross join (values (60), (600)) as width (seconds)
    where d.minute is not null
  ) r
  where r.since >= s3_connector_private.recent_start(r.seconds)
  group by r.connector_name, r.seconds, r.since
  having sum(r.rows) <> 0 or sum(r.bytes) <> 0;
comment on view s3_connector.throughput is
  'Rows and bytes that each connector imported per minute of the last hour (seconds = 60), and per ten minutes of the last day (seconds = 600). No row if nothing was imported.';
