-- "Notices" of files: what was suspicious in a file that was imported. And the entries of a zip that are imported.

alter table s3_connector.files add column notice text;
alter table s3_connector.file_formats add column zip_entries text;
