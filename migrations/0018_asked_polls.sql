-- A poll that began before somebody asked for one is no answer.
alter table s3_connector_private.progress add column poll_asked_at timestamptz;
