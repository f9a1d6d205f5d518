-- Columns of the target table that say from which object, and from which line or row of it, each row came.

alter table s3_connector.connectors
  add column file_key_column text,
  add column line_column text;
