-- What becomes of columns that a file or its table lacks.

alter table s3_connector.connectors
  add column on_missing_column text not null default 'default';
