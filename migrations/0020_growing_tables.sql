-- What becomes of columns that a file or its table lacks, and of values that do not fit; how tables were changed for files.

alter table s3_connector.connectors
  add column on_missing_column text not null default 'default',
  add column on_type_mismatch text not null default 'fail',
  add column rescue_column text,
  add column max_new_columns integer not null default 100;

create table s3_connector.schema_changes (
  id bigint generated always as identity primary key,
  connector_name text not null references s3_connector.connectors (name) on update cascade on delete cascade,
  key text collate "C" not null,
  at timestamptz not null default now(),
  change text not null,
  target_table text not null,
  source_column text not null,
  column_name text not null,
  column_type text not null,
  old_type text,
  statement text not null
);
create index schema_changes_connector_idx on s3_connector.schema_changes (connector_name, id desc);
