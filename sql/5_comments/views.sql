-- Comments on the columns of the views, and of the tables that preview, check and audit fill.

comment on type s3_connector.file_status is
  'Status of a file: in_queue, running, pending_retry (failed, will be retried), paused; or ended: success, failure, cancelled, undone.';

comment on column s3_connector.connector_status.name is 'The connector.';
comment on column s3_connector.connector_status.state is 'running, paused or draft.';
comment on column s3_connector.connector_status.marker is 'The last matching key that was enqueued. Listing continues after it.';
comment on column s3_connector.connector_status.caught_up is 'Whether the last poll reached the end of the bucket without an error, the bucket can be read, and everything that was found is enqueued: also late and overwritten keys that the connector imports, and what a recheck finds. Files may still wait in the queue.';
comment on column s3_connector.connector_status.last_poll_at is 'When the last poll began.';
comment on column s3_connector.connector_status.next_poll_at is 'When the next poll is due. With a backlog it comes earlier. Null while paused.';
comment on column s3_connector.connector_status.in_queue is 'Files that wait for a worker.';
comment on column s3_connector.connector_status.running is 'Files that are being imported now.';
comment on column s3_connector.connector_status.pending_retry is 'Files that failed with a passing error and will be retried.';
comment on column s3_connector.connector_status.paused is 'Files that wait for the connector to be resumed.';
comment on column s3_connector.connector_status.success is 'Files whose rows are in the table.';
comment on column s3_connector.connector_status.failure is 'Files that failed. retry(name) queues them again.';
comment on column s3_connector.connector_status.cancelled is 'Files that cancel_file cancelled.';
comment on column s3_connector.connector_status.undone is 'Files whose rows undo_file deleted.';
comment on column s3_connector.connector_status.rows_total is 'Rows imported, of the files in success.';
comment on column s3_connector.connector_status.bytes_total is 'Size in the bucket, in bytes, of the objects in success.';
comment on column s3_connector.connector_status.rows_last_hour is 'Rows imported within the last hour, to the minute.';
comment on column s3_connector.connector_status.bytes_last_hour is 'Size in bytes of the objects imported within the last hour.';
comment on column s3_connector.connector_status.rows_last_day is 'Rows imported within the last 24 hours, to ten minutes.';
comment on column s3_connector.connector_status.bytes_last_day is 'Size in bytes of the objects imported within the last 24 hours.';
comment on column s3_connector.connector_status.last_success_at is 'When a file was last imported.';
comment on column s3_connector.connector_status.last_error is 'Error of the file that failed last, or of the last poll if it failed later. While the bucket cannot be read, the reason.';
comment on column s3_connector.connector_status.late_files is 'The same as late.';
comment on column s3_connector.connector_status.notice is 'Further information, separated by semicolons. Examples: why the bucket cannot be read, why imports get no session of the database, why an audit waits, that the connector is paused in a copy of its database, that a table was created without a hypertable.';
comment on column s3_connector.connector_status.last_audit_at is 'When the last audit without an error ended: called, or by audit_schedule. s3_connector.audits has more.';
comment on column s3_connector.connector_status.next_audit_at is 'When the next audit is due by audit_schedule. Null while paused, and without audit_schedule.';
comment on column s3_connector.connector_status.late is 'Number of keys in late_files: late ones and overwritten ones.';
comment on column s3_connector.connector_status.waiting is 'Files and keys that are known and not imported yet: in the queue, waiting for a retry, paused, listed without a free place, and late and overwritten keys that will be imported. If caught_up is false, there may be more.';
comment on column s3_connector.connector_status.eta is 'How long the import of what waits takes at the rate of the last hour, by bytes. Null if nothing was imported within the last hour.';
comment on column s3_connector.connector_status.rejected is 'Rows that were rejected, of the files in success. rejected_rows has them until they are pruned.';
comment on column s3_connector.connector_status.last_schema_change is 'The last row of schema_changes: when, the statement, and the file. Null if no file has changed the table.';
comment on column s3_connector.connector_status.polls_overdue is 'Whether the next poll is overdue by more than two intervals of the schedule. False while paused.';
comment on column s3_connector.connector_status.unavailable_since is 'Since when the bucket cannot be read. Null if it can.';
comment on column s3_connector.connector_status.lag is 'Age of the next object that is known and not imported yet: so far is the table behind the bucket. Null if there is none.';
comment on column s3_connector.connector_status.health is 'What is wrong, or else ok, importing, behind or not polled yet. Begins with paused or draft if it is.';

comment on column s3_connector.status.name is 'The connector.';
comment on column s3_connector.status.health is 'The same as connector_status.health.';
comment on column s3_connector.status.waiting is 'Files and keys that are known and not imported yet.';
comment on column s3_connector.status.failed is 'Files that failed. retry(name) queues them again.';
comment on column s3_connector.status.lag is 'Age of the next object that is known and not imported yet. Null if there is none.';
comment on column s3_connector.status.last_error is 'Error of the file that failed last, or of the last poll if it failed later.';

comment on column s3_connector.throughput.connector_name is 'The connector.';
comment on column s3_connector.throughput.seconds is 'Length of the interval: 60 within the last hour, 600 within the last day.';
comment on column s3_connector.throughput.since is 'When the interval began.';
comment on column s3_connector.throughput.rows is 'Rows imported in the interval.';
comment on column s3_connector.throughput.bytes is 'Size in bytes of the objects imported in the interval.';

comment on column s3_connector.file_history.connector_name is 'The connector.';
comment on column s3_connector.file_history.key is 'The file''s key.';
comment on column s3_connector.file_history.from_status is 'The earlier status. Null: the file is new.';
comment on column s3_connector.file_history.to_status is 'The new status.';
comment on column s3_connector.file_history.at is 'When the status changed.';
comment on column s3_connector.file_history.seconds is 'How many seconds the file had the earlier status.';
comment on column s3_connector.file_history.attempt is 'Number of the attempt. 0: before the first.';
comment on column s3_connector.file_history.message is 'Error code and message, if an error caused the change.';

comment on column s3_connector.running_files.connector_name is 'The connector.';
comment on column s3_connector.running_files.key is 'The file''s key.';
comment on column s3_connector.running_files.attempt is 'Number of the attempt.';
comment on column s3_connector.running_files.size_bytes is 'Size of the object in the bucket, in bytes.';
comment on column s3_connector.running_files.started_at is 'When the attempt began. It begins with the download.';
comment on column s3_connector.running_files.worker_id is 'The worker that is importing it: workers.id.';
comment on column s3_connector.running_files.bytes_copied is 'Bytes that COPY has taken so far, uncompressed; null before it starts.';
comment on column s3_connector.running_files.rows_copied is 'Rows that COPY has taken so far. They become visible in the table when the import commits. Null for hypertables: TimescaleDB does not count.';
comment on column s3_connector.running_files.rows_per_second is 'Rows per second since the transaction began.';
comment on column s3_connector.running_files.row_total is 'Rows of the file, if its format says so before it is read: Parquet without a transform.';
comment on column s3_connector.running_files.row_groups is 'Row groups of a Parquet file.';
comment on column s3_connector.running_files.row_groups_copied is 'Row groups that COPY has taken so far, as if all had equally many rows.';

comment on column s3_connector.rejected_rows.connector_name is 'The connector.';
comment on column s3_connector.rejected_rows.key is 'The file''s key.';
comment on column s3_connector.rejected_rows.line is 'Number of the line in the file on which the row begins. In Parquet, and in JSON with several records on a line, number of the row.';
comment on column s3_connector.rejected_rows.column_name is 'The column whose value was refused. Null: the row as a whole.';
comment on column s3_connector.rejected_rows.error is 'PostgreSQL''s error.';
comment on column s3_connector.rejected_rows.raw is 'The row as it is in the file.';

comment on column s3_connector.workers.id is 'A new number for each start of a worker.';
comment on column s3_connector.workers.host is 'The machine that the worker runs on.';
comment on column s3_connector.workers.pid is 'Its process id on that machine.';
comment on column s3_connector.workers.version is 'Version of the connector that the worker runs.';
comment on column s3_connector.workers.concurrency is 'How many files the worker imports at the same time.';
comment on column s3_connector.workers.alive is 'Whether the worker is running: it holds its advisory lock.';
comment on column s3_connector.workers.started_at is 'When the worker started.';
comment on column s3_connector.workers.stopped_at is 'When the worker stopped, or was found dead.';
comment on column s3_connector.workers.role is 'The database role that the worker logs in as.';
comment on column s3_connector.workers.external_id is 'The external id that the worker gives when it assumes a role: PROJECT_ID/SERVICE_ID. Trust policies of roles require it. Null: it has none, and cannot assume roles.';
comment on column s3_connector.workers.notice is 'Why the login for imports is unsafe; null if it is safe. A safe login is a separate role and not a superuser.';
comment on column s3_connector.workers.import_role is 'The role that its imports log in as. It imports only files of owners that this role may become.';
comment on column s3_connector.workers.running is 'The files that the worker is importing, as connector: key.';

comment on column s3_connector.preview_files.connector_name is 'The connector.';
comment on column s3_connector.preview_files.key is 'A matching key. Keys sort by UTF-8 bytes, as S3 lists them.';
comment on column s3_connector.preview_files.size_bytes is 'Size of the object in bytes.';
comment on column s3_connector.preview_files.last_modified is 'When the object was written.';

comment on column s3_connector.preview_columns.connector_name is 'The connector.';
comment on column s3_connector.preview_columns.position is 'Position of the column, from 1: those of the first file, then those that only other files of the sample have.';
comment on column s3_connector.preview_columns.source_column is 'The column''s name in the file. Null: the target_column is computed from the whole row.';
comment on column s3_connector.preview_columns.expression is 'The expression that computes the target_column, from column_mappings. Null: none.';
comment on column s3_connector.preview_columns.inferred_type is 'The narrowest type that keeps all values of the column: those of the first file and, if the table would be made, of a sample of the other files.';
comment on column s3_connector.preview_columns.nullable is 'Whether the column has a null in these files, or one of them lacks it.';
comment on column s3_connector.preview_columns.target_column is 'The table''s column that it goes into. Null: left out, by column_mappings or because the table lacks it.';
comment on column s3_connector.preview_columns.target_type is 'The type of that column, or the type that it would be created with.';
comment on column s3_connector.preview_columns.suggested_time_column is 'Whether a created hypertable would use it as its time column.';
comment on column s3_connector.preview_columns.decided_by is 'What decided inferred_type: the file, and for CSV the line and the value that no narrower type keeps, or the first value. Null: the column is a part of the key.';
comment on column s3_connector.preview_columns.sampled_files is 'How many files were looked at. 1 if the table exists: then only the first file is read.';
comment on column s3_connector.preview_rows.connector_name is 'The connector.';
comment on column s3_connector.preview_rows.position is 'Position of the row, from 1.';
comment on column s3_connector.preview_rows.line is 'The line of the file on which the row starts; for Parquet the number of the row. Null: not known, because of a transform.';
comment on column s3_connector.preview_rows."values" is 'The values of the columns that the file fills, as PostgreSQL shows them, each cut at 200 characters. Null: the row was refused.';
comment on column s3_connector.preview_rows.error is 'Why the row was refused. Null: it was not.';
comment on column s3_connector.preview_rows.raw is 'The text of a refused row, cut at 1,000 characters.';

comment on column s3_connector.checks.connector_name is 'The connector.';
comment on column s3_connector.checks.position is 'Order of the steps.';
comment on column s3_connector.checks.step is 'What was tested: credentials, assume role, list, get, server, target, rows (the first rows of the first file), grants, repeats (files that another connector has imported).';
comment on column s3_connector.checks.ok is 'Whether the step succeeded.';
comment on column s3_connector.checks.message is 'What the test found.';
comment on column s3_connector.checks.hint is 'How to fix a failed step. For assume role, always the policies that the role needs.';
comment on column s3_connector.checks.checked_at is 'When the step was tested.';

comment on column s3_connector.late_files.connector_name is 'The connector.';
comment on column s3_connector.late_files.key is 'The object''s key.';
comment on column s3_connector.late_files.etag is 'The object''s ETag.';
comment on column s3_connector.late_files.size_bytes is 'Size of the object in bytes.';
comment on column s3_connector.late_files.last_modified is 'When the object was written.';
comment on column s3_connector.late_files.reason is 'late: the key arrived behind the marker and was never imported. overwritten: the object changed after its import.';
comment on column s3_connector.late_files.found_at is 'When it was found, or its object changed again.';
comment on column s3_connector.late_files.seen_at is 'When it was last seen, as far as an audit needs it: an audit removes keys that it does not see, and that nobody has seen since.';
