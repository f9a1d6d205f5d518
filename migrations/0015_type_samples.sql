-- Types of a new table from a sample of files.

alter table s3_connector.file_formats add column infer_types text not null default 'sample';

-- The answers of the next preview have them.
alter table s3_connector.preview_columns add column decided_by text, add column sampled_files integer not null default 1;
