-- What the columns of the views, and of the tables that preview, check and audit fill, are for.

comment on type s3_connector.file_status is
  'What became of a file: in_queue, running, pending_retry (tried, and to be tried again), paused; or ended: success, failure, cancelled, undone.';

comment on column s3_connector.connector_status.name is 'The connector.';
comment on column s3_connector.connector_status.state is 'running or paused.';
comment on column s3_connector.connector_status.marker is 'The last matching key that was put into the queue; listing goes on after it.';
comment on column s3_connector.connector_status.caught_up is 'Whether the last poll reached the end of the bucket without an error, and the bucket can be read.';
comment on column s3_connector.connector_status.last_poll_at is 'When the last poll began.';
comment on column s3_connector.connector_status.next_poll_at is 'When the next poll is due; sooner while there is a backlog. Null while paused.';
comment on column s3_connector.connector_status.in_queue is 'Files that wait for a worker.';
comment on column s3_connector.connector_status.running is 'Files that are being imported now.';
comment on column s3_connector.connector_status.pending_retry is 'Files that failed for a reason that may pass, and will be tried again.';
comment on column s3_connector.connector_status.paused is 'Files that wait for the connector to be resumed.';
comment on column s3_connector.connector_status.success is 'Files whose rows are in the table.';
comment on column s3_connector.connector_status.failure is 'Files that failed; retry queues them again.';
comment on column s3_connector.connector_status.cancelled is 'Files that cancel_file took out.';
comment on column s3_connector.connector_status.undone is 'Files whose rows undo_file deleted.';
comment on column s3_connector.connector_status.rows_total is 'Rows imported, of the files in success.';
comment on column s3_connector.connector_status.bytes_total is 'Size of the imported objects in bytes, as they are in the bucket.';
comment on column s3_connector.connector_status.rows_last_hour is 'Rows imported within the last hour, to the minute.';
comment on column s3_connector.connector_status.bytes_last_hour is 'Bytes of the objects imported within the last hour.';
comment on column s3_connector.connector_status.rows_last_day is 'Rows imported within the last 24 hours, to ten minutes.';
comment on column s3_connector.connector_status.bytes_last_day is 'Bytes of the objects imported within the last 24 hours.';
comment on column s3_connector.connector_status.last_success_at is 'When a file last came in.';
comment on column s3_connector.connector_status.last_error is 'What the file that failed last says, or the last poll, where it failed since; while the bucket cannot be read, why not.';
comment on column s3_connector.connector_status.late_files is 'Keys in late_files, as the last audit found them.';
comment on column s3_connector.connector_status.notice is 'What else one should know: since when the bucket cannot be read, why, and when the connector tries again; why the connector is paused in a copy of its database, or that a table was made without a hypertable.';

comment on column s3_connector.throughput.connector_name is 'The connector.';
comment on column s3_connector.throughput.seconds is 'Length of the stretch of time: 60 within the last hour, 600 within the last day.';
comment on column s3_connector.throughput.since is 'When the stretch began.';
comment on column s3_connector.throughput.rows is 'Rows imported in it.';
comment on column s3_connector.throughput.bytes is 'Bytes of the objects imported in it.';

comment on column s3_connector.file_history.connector_name is 'The connector.';
comment on column s3_connector.file_history.key is 'The file.';
comment on column s3_connector.file_history.from_status is 'The earlier status; null: the file is new.';
comment on column s3_connector.file_history.to_status is 'The status from then on.';
comment on column s3_connector.file_history.at is 'When it changed.';
comment on column s3_connector.file_history.seconds is 'How long the file had been in the earlier status.';
comment on column s3_connector.file_history.attempt is 'Which attempt it was in; 0: before the first.';
comment on column s3_connector.file_history.message is 'Error code and message, where the change was for an error.';

comment on column s3_connector.running_files.connector_name is 'The connector.';
comment on column s3_connector.running_files.key is 'The file.';
comment on column s3_connector.running_files.attempt is 'Which attempt this is.';
comment on column s3_connector.running_files.size_bytes is 'Size of the object in the bucket.';
comment on column s3_connector.running_files.started_at is 'When the attempt began, with the download.';
comment on column s3_connector.running_files.worker_id is 'The worker that imports it: workers.id.';
comment on column s3_connector.running_files.bytes_copied is 'Bytes that COPY has taken so far, uncompressed; null before it starts.';
comment on column s3_connector.running_files.rows_copied is 'Rows that COPY has taken so far; they are seen in the table when the file ends. Null for hypertables: TimescaleDB does not count.';
comment on column s3_connector.running_files.rows_per_second is 'Rows a second since the transaction began.';

comment on column s3_connector.rejected_rows.connector_name is 'The connector.';
comment on column s3_connector.rejected_rows.key is 'The file.';
comment on column s3_connector.rejected_rows.line is 'Number of the line in the file on which the row begins; of the row, in Parquet.';
comment on column s3_connector.rejected_rows.column_name is 'The column whose value was refused; null: the row as a whole was.';
comment on column s3_connector.rejected_rows.error is 'What PostgreSQL said about it.';
comment on column s3_connector.rejected_rows.raw is 'The row as it stands in the file.';

comment on column s3_connector.workers.id is 'A number of its own for each start of a worker.';
comment on column s3_connector.workers.host is 'The machine that it runs on.';
comment on column s3_connector.workers.pid is 'Its process number there.';
comment on column s3_connector.workers.version is 'Version of the connector that it runs.';
comment on column s3_connector.workers.concurrency is 'How many files it imports side by side.';
comment on column s3_connector.workers.alive is 'Whether it works now: it holds its advisory lock for as long as it does.';
comment on column s3_connector.workers.started_at is 'When it started.';
comment on column s3_connector.workers.stopped_at is 'When it ended, or was found dead.';
comment on column s3_connector.workers.role is 'The database role that it logs in as.';
comment on column s3_connector.workers.notice is 'What is wrong with that role: a worker should not be, nor be able to become, a superuser.';
comment on column s3_connector.workers.running is 'The files that it imports now, as connector: key.';

comment on column s3_connector.preview_files.connector_name is 'The connector.';
comment on column s3_connector.preview_files.key is 'A key that matches; sorted as S3 lists.';
comment on column s3_connector.preview_files.size_bytes is 'Size of the object in bytes.';
comment on column s3_connector.preview_files.last_modified is 'When the object was written.';

comment on column s3_connector.preview_columns.connector_name is 'The connector.';
comment on column s3_connector.preview_columns.position is 'Place of the column in the file, from 1.';
comment on column s3_connector.preview_columns.source_column is 'The column''s name in the file.';
comment on column s3_connector.preview_columns.inferred_type is 'The type that all its values in the first file have.';
comment on column s3_connector.preview_columns.nullable is 'Whether some value is null.';
comment on column s3_connector.preview_columns.target_column is 'The table''s column that it goes into; null: left out, by column_mappings or because the table lacks it.';
comment on column s3_connector.preview_columns.target_type is 'The type of that column, or the one that it would be made with.';
comment on column s3_connector.preview_columns.suggested_time_column is 'Whether a hypertable would be made over this column.';

comment on column s3_connector.checks.connector_name is 'The connector.';
comment on column s3_connector.checks.position is 'Order of the steps.';
comment on column s3_connector.checks.step is 'What was tried: credentials, assume role, list, get, server, target, grants.';
comment on column s3_connector.checks.ok is 'Whether it worked.';
comment on column s3_connector.checks.message is 'What was found.';
comment on column s3_connector.checks.hint is 'What to do, where it did not work; of assume role always the policies that the role needs.';
comment on column s3_connector.checks.checked_at is 'When it was tried.';

comment on column s3_connector.late_files.connector_name is 'The connector.';
comment on column s3_connector.late_files.key is 'The object''s key.';
comment on column s3_connector.late_files.etag is 'The object''s ETag.';
comment on column s3_connector.late_files.size_bytes is 'Size of the object in bytes.';
comment on column s3_connector.late_files.last_modified is 'When the object was written.';
comment on column s3_connector.late_files.reason is 'late: it came behind the marker and was never imported; overwritten: it changed after its import.';
comment on column s3_connector.late_files.found_at is 'When audit found it.';
