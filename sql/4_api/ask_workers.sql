-- The procedures that ask a worker and wait for its answer (sql/3_worker/requests.sql).

create or replace procedure s3_connector.check(name text)
language plpgsql as $$
declare
  answer pg_catalog.jsonb;
begin
  call s3_connector_ask.ask('check', name, null, answer);
end;
$$;
comment on procedure s3_connector.check(text) is
  'Tests step by step what the connector needs (credentials, role, list, get, target, grants). The results are in checks, and in notices.';

create or replace procedure s3_connector.preview(name text)
language plpgsql as $$
declare
  answer pg_catalog.jsonb;
begin
  call s3_connector_ask.ask('preview', name, null, answer);
end;
$$;
comment on procedure s3_connector.preview(text) is
  'Fills preview_files with the first 1,000 keys that match, and preview_columns with the columns of the first file that is not empty, whose first rows are in preview_rows. If the table does not exist, they are those of the table that an import would make.';

create or replace procedure s3_connector.dry_run_file(
  name text,
  key text,
  inout rows_read bigint default null,
  inout rows_imported bigint default null,
  inout rows_rejected bigint default null,
  inout rows_skipped bigint default null,
  inout error_code text default null,
  inout error_message text default null,
  inout rows_inserted bigint default null,
  inout rows_updated bigint default null,
  inout rows_deleted bigint default null
)
language plpgsql as $$
declare
  answer pg_catalog.jsonb;
begin
  call s3_connector_ask.ask('dry_run_file', name, key, answer);
  rows_read := pg_catalog.jsonb_extract_path_text(answer, 'rows_read');
  rows_imported := pg_catalog.jsonb_extract_path_text(answer, 'rows_imported');
  rows_rejected := pg_catalog.jsonb_extract_path_text(answer, 'rows_rejected');
  rows_skipped := pg_catalog.jsonb_extract_path_text(answer, 'rows_skipped');
  error_code := pg_catalog.jsonb_extract_path_text(answer, 'error_code');
  error_message := pg_catalog.jsonb_extract_path_text(answer, 'error_message');
  rows_inserted := pg_catalog.jsonb_extract_path_text(answer, 'rows_inserted');
  rows_updated := pg_catalog.jsonb_extract_path_text(answer, 'rows_updated');
  rows_deleted := pg_catalog.jsonb_extract_path_text(answer, 'rows_deleted');
end;
$$;
comment on procedure s3_connector.dry_run_file(text, text, bigint, bigint, bigint, bigint, text, text, bigint, bigint, bigint) is
  'Imports one file of the bucket, tracked or not, and rolls back. Returns the counts or the error of the import. Changes nothing.';

create or replace procedure s3_connector.audit(name text)
language plpgsql as $$
declare
  answer pg_catalog.jsonb;
begin
  call s3_connector_ask.ask('audit', name, null, answer);
end;
$$;
comment on procedure s3_connector.audit(text) is
  'Lists all matching keys up to the marker, now and without a budget, and fills late_files with keys that were never tracked (late) and imported ones that were overwritten since. audits has a row of it.';
