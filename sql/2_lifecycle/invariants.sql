-- "Invariants": what always holds. They are checked where it would be committed: if one does not hold, nothing is.

create or replace function s3_connector_private.violate(what text)
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  raise exception '%; this must not happen, so nothing was committed', what
    using errcode = 'S3C03', hint = 'Report it with this message. Nothing is lost: the file or the poll can be tried again.';
end;
$$;
comment on function s3_connector_private.violate(text) is 'Raises S3C03: an invariant does not hold.';

create or replace function s3_connector_private.keep_marker()
returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  if current_setting('s3_connector.moves_marker', true) is distinct from new.connector_name then
    perform s3_connector_private.violate(
      format('the marker of connector %L would go back from %L to %L', new.connector_name, old.marker, new.marker));
  end if;
  return new;
end;
$$;
comment on function s3_connector_private.keep_marker() is
  'Refuses a marker that goes back, unless allow_marker_back was called for the connector.';

create or replace trigger keep_marker
  before update of marker on s3_connector_private.progress
  for each row when (new.marker < old.marker or new.marker is null and old.marker is not null)
  execute function s3_connector_private.keep_marker();

create or replace function s3_connector_private.allow_marker_back(connector_name text)
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  perform set_config('s3_connector.moves_marker', connector_name, true);
end;
$$;
comment on function s3_connector_private.allow_marker_back(text) is
  'Lets this transaction set the marker of a connector back, because a person asked for it. Null: of none.';

create or replace function s3_connector_private.require_rejected(results jsonb)
returns void language plpgsql set enable_hashjoin = off set enable_mergejoin = off set jit = off
set search_path = pg_catalog, pg_temp as $$
begin
  perform s3_connector_private.violate(format('%s rows were rejected, and rejected_rows has %s', r.rejected, w.rows))
  from jsonb_to_recordset(results) as r (file_id bigint, rejected bigint)
  cross join lateral (select count(*) as rows from s3_connector_private.rejected_rows x where x.file_id = r.file_id) w
  where w.rows <> r.rejected;
end;
$$;
comment on function s3_connector_private.require_rejected(jsonb) is
  'Raises S3C03 unless rejected_rows has as many rows of each file as its import rejected.';

create or replace function s3_connector_import.require_version(file_id bigint, running_attempt_id bigint, etag text, size_bytes bigint)
returns void language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  file s3_connector.files;
begin
  select * into file from s3_connector.files f
  where f.id = require_version.file_id and f.attempt_id = running_attempt_id and f.status = 'running';
  -- An attempt that has lost its file cannot commit in any case.
  if (file.etag, file.size_bytes) is distinct from (require_version.etag, require_version.size_bytes) and found then
    perform s3_connector_private.violate(format('the version with ETag %s and %s bytes was read, and the file is ETag %s with %s bytes',
      require_version.etag, require_version.size_bytes, file.etag, file.size_bytes));
  end if;
end;
$$;
comment on function s3_connector_import.require_version(bigint, bigint, text, bigint) is
  'Raises S3C03 if an attempt has read another version of the object than its file names.';
