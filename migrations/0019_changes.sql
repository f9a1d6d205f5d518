-- Files that change rows: which column of a file says insert, update or delete, and how many rows each file changed.

alter table s3_connector.connectors
  add column change_column text,
  add column change_values text,
  add column sequence_column text;

alter table s3_connector.files
  add column rows_inserted bigint,
  add column rows_updated bigint,
  add column rows_deleted bigint,
  add constraint files_changes_add_up check (rows_imported = rows_inserted + rows_updated + rows_deleted);
