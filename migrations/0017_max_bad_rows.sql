-- A file of nothing but bad rows fails early instead of filling rejected_rows. Connectors that exist keep what they have.
alter table s3_connector.connectors alter column max_bad_rows set default 10000;
