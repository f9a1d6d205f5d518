-- How the last listing of a bucket ended, so that the next poll need not find out again.

alter table s3_connector_private.progress
  -- {"uncrowded": [folders], "lastName": the last key or folder}, of the poll that began at ended_at.
  add column ending jsonb,
  add column ended_at timestamptz;
