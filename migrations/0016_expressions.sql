-- "Expressions" of column_mappings: SQL from which PostgreSQL computes a column's values. One that reads the whole row needs no
-- source column, so a mapping has a key of its own.

alter table s3_connector.column_mappings
  add column expression text,
  add column id bigint generated always as identity,
  drop constraint column_mappings_pkey;
alter table s3_connector.column_mappings
  alter column source_column drop not null,
  add primary key (id),
  add constraint column_mappings_source_column_key unique (connector_name, source_column);

alter table s3_connector.preview_columns alter column source_column drop not null, add column expression text;
