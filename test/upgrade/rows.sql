-- Rows for every table, which `npm run fixture` puts into the database of a release. The roles are fixture_person, who inserts
-- connectors, and fixture_worker. A new table, or a new column with a meaning of its own, needs a row here.

-- The connector of the upgrade tests, whose worker finds its bucket by AWS_ENDPOINT_URL_S3.
set role fixture_person;
insert into s3_connector.connectors (name, bucket, pattern, file_format, target_table, on_bad_row)
values ('sensors', 'fixture', 'sensors/*.csv', 'csv', 'public.sensors', 'skip');
insert into s3_connector.column_mappings (connector_name, source_column, target_column, data_type)
values ('sensors', 'reading', 'value', 'integer'), ('sensors', 'comment', null, null);

insert into s3_connector.connectors (name, bucket, pattern, file_format, target_table, transform, state)
values ('readings', 'fixture', 'readings/**', 'parquet', 'public.readings', 'select * from file', 'paused');

-- One with a value in every other column.
insert into s3_connector.connectors (
  name, bucket, pattern, file_format, target_table, region, endpoint, auth_method, role_arn, schedule,
  csv_delimiter, csv_quote, csv_escape, csv_null, csv_encoding, csv_skip_header, time_zone, match_columns_by, on_unknown_column,
  create_table, allow_unlogged, time_column, hypertable, chunk_interval, columnstore, segment_by, order_by,
  on_conflict, on_bad_row, max_bad_rows, file_id_column, max_file_bytes, max_row_bytes, max_tracked_files, max_parallel_files,
  max_attempts, min_object_age, start_after, retention, notify, on_import, hive_columns, event_queue_url, state
) values (
  'archive', 'fixture', 'archive/**/*.csv', 'csv', 'public.archive', 'eu-west-1', 'https://s3.example.com', 'iam_role',
  'arn:aws:iam::123456789012:role/reader', 'hour', ';', '''', '\', 'NULL', 'latin1', false, 'Europe/Berlin', 'position', 'ignore',
  true, true, 'at', true, '1 day', true, '{device}', '{at}', 'skip', 'skip', 10, 'file_id', 1000000, 65536, 10, 2,
  3, '1 minute', 'archive/2020', '30 days', false, 'call public.roll_up($1)', '{day}',
  'https://sqs.eu-west-1.amazonaws.com/123456789012/events', 'paused'
);
reset role;

-- A worker that died, and one that stopped.
insert into s3_connector_private.workers (host, pid, version, concurrency, pool_ids, role, notice)
values ('host', 1, '0.1.0', 4, '{dead}', 'fixture_worker', null);
insert into s3_connector_private.workers (host, pid, version, concurrency, stopped_at, role, notice)
values ('host', 2, '0.1.0', 4, now(), 'fixture_worker', 'a notice');

-- A file in each status. The ETag of n.csv is that of the content E'reading\nn\n', which the tests put into the bucket.
insert into s3_connector.files (connector_name, key, etag, size_bytes, last_modified)
select 'sensors', format('sensors/%s.csv', n), '"' || md5(content) || '"', length(content), now()
from generate_series(1, 7) n, lateral format(E'reading\n%s\n', n) as content;
insert into s3_connector.files (connector_name, key, etag, size_bytes, last_modified, status)
values ('archive', 'archive/2021/1.csv', '"1"', 1, now(), 'paused');

update s3_connector.files set status = 'running', attempts = 1, started_at = now(), worker_id = 1,
  attempt_id = id
where key in ('sensors/1.csv', 'sensors/2.csv', 'sensors/4.csv', 'sensors/5.csv', 'sensors/7.csv');
update s3_connector.files set status = 'success', worker_id = null, attempt_id = null,
  rows_read = 2, rows_imported = 1, rows_rejected = 1, rows_skipped = 0, lineage = '{value}'
where key in ('sensors/1.csv', 'sensors/7.csv');
select s3_connector_private.fold_totals();
update s3_connector.files set status = 'failure', worker_id = null, attempt_id = null,
  error_code = 'bad_value', error_message = 'line 2: a message'
where key = 'sensors/2.csv';
update s3_connector.files set status = 'pending_retry', worker_id = null, attempt_id = null, next_attempt_at = now(),
  error_code = 'source_unavailable', error_message = 'a message'
where key = 'sensors/5.csv';
update s3_connector.files set status = 'cancelled' where key = 'sensors/6.csv';
update s3_connector.files set status = 'undone' where key = 'sensors/7.csv';
update s3_connector_private.progress set marker = 'sensors/7.csv', table_ready = true, last_poll_at = now()
where connector_name = 'sensors';
update s3_connector_private.progress set
  scan_position = 'archive/2021/2', poll_asked_at = now(), notice = 'a notice', copy_notice = 'another', pruned_until = now()
where connector_name = 'archive';

insert into s3_connector_private.rejected_rows (file_id, line, column_name, error, raw)
select id, 3, 'value', 'bad_value', 'x' from s3_connector.files where key = 'sensors/1.csv';
insert into s3_connector.polls (connector_name, started_at, seconds, keys_listed, keys_matched, files_enqueued, list_requests)
values ('sensors', now(), 0.1, 8, 7, 7, 1);
insert into s3_connector.polls (connector_name, started_at, seconds, list_requests, error_code, error)
values ('archive', now(), 0.1, 1, 'access_denied', 'a message');
insert into s3_connector_private.outages (connector_name, error_code, error, next_try_at, imports_wait)
values ('archive', 'access_denied', 'a message', now(), true);
insert into s3_connector.late_files (connector_name, key, etag, size_bytes, last_modified, reason)
values ('sensors', 'sensors/0.csv', '"0"', 1, now(), 'late');
insert into s3_connector.checks (connector_name, position, step, ok, message, hint)
values ('sensors', 1, 'list', false, 'a message', 'a hint');
insert into s3_connector.preview_files (connector_name, key, size_bytes, last_modified)
values ('sensors', 'sensors/1.csv', 10, now());
insert into s3_connector.preview_columns (
  connector_name, position, source_column, inferred_type, nullable, target_column, target_type, suggested_time_column
) values ('sensors', 1, 'reading', 'bigint', false, 'value', 'integer', false);
insert into s3_connector_private.requests (kind, connector_name, argument, worker_id, answered_at, result)
values ('dry_run_file', 'sensors', 'sensors/1.csv', 2, now(), '[{"message": "a message"}]');
insert into s3_connector_private.requests (kind, connector_name, worker_id, answered_at, error_code, error_message, error_hint)
values ('audit', 'sensors', 2, now(), 'worker_stopped', 'a message', 'a hint');
insert into s3_connector.audits
  (connector_name, asked, marker, position, keys_listed, keys_matched, keys_late, list_requests, error_code, error, failed_tries, next_try_at, worker_id)
values ('sensors', false, 'sensors/8.csv', 'sensors/4.csv', 4, 4, 1, 1, 'access_denied', 'a message', 1, now(), 2);
insert into s3_connector.audits (connector_name, asked, finished_at) values ('sensors', true, now());

-- Jobs: a file that waits, one that waits for its retry, and one that the dead worker still holds.
select s3_connector_private.queue_imports(array_agg(id order by key), array_agg(now() order by key))
from s3_connector.files where key in ('sensors/3.csv', 'sensors/4.csv', 'sensors/5.csv');
update s3_connector_queue._private_jobs set locked_at = now(), locked_by = 'dead', attempts = 1
where key = (select s3_connector_private.import_job_key(id) from s3_connector.files where key = 'sensors/4.csv');
