-- JSON: where the records of a file are. sql/ brings the builtin formats.

alter table s3_connector.file_formats add column json_records text;
