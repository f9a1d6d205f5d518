-- Objects in an archive: their files wait as failures until they are restored. Where the search for restored ones continues.

create index files_archived_idx on s3_connector.files (connector_name, key)
  where status = 'failure' and error_code = 'object_archived';

alter table s3_connector_private.progress
  add column archive_position text collate "C",
  add column archive_checked_at timestamptz;
