-- Files that are imported again in place of their old rows: where these rows are, until the import that replaces them commits.

alter table s3_connector.files
  add column replaces text[],
  add column replaces_table oid,
  add constraint files_replaces check (replaces is null or status not in ('success', 'undone'));
