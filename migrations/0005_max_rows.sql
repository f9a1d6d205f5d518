-- A limit for the rows of one file: a small compressed file may have hundreds of millions.
alter table s3_connector.connectors add column max_rows bigint;
