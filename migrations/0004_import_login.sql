-- The functions that the login for imports may call. It has no usage on s3_connector_private: with that, code that can be both the login
-- and an owner could name functions that only owners may execute.
create schema s3_connector_import;

-- The login for imports: its secret, which login each worker imports with, the table that each file went into, and requests to
-- delete a file's rows.

create table s3_connector_private.import_secret (
  id uuid primary key default gen_random_uuid(),
  secret bytea not null
);

alter table s3_connector_private.workers add column import_role name;

alter table s3_connector.files add column lineage_table oid;

alter table s3_connector_private.requests
  drop constraint requests_kind,
  add constraint requests_kind check (kind in ('check', 'preview', 'dry_run_file', 'audit', 'undo_file', 'reimport_file'));
