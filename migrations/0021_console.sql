-- What the procedures call that wait for a worker: PostgreSQL parses them at run time with their caller's rights.
create schema s3_connector_ask;
