-- A limit for each import, and files whose import waits for a session of the database.

alter table s3_connector.connectors add column import_timeout interval not null default '1 hour';

-- For connector_status: the few files that wait because the database refused a session.
create index files_postponed_idx on s3_connector.files (connector_name)
  where status = 'in_queue' and next_attempt_at is not null;
