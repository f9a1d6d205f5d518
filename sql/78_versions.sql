-- An older worker must not work on what a newer one has migrated, nor put its own functions in place of the newer ones.

create or replace function s3_connector_private.record_version(new_version text, new_digest text)
returns void language sql as $$
  delete from s3_connector_private.versions v where v.version = new_version;
  insert into s3_connector_private.versions (version, digest) values (new_version, new_digest);
  select pg_notify('s3_connector_version', new_version);
$$;
comment on function s3_connector_private.record_version(text, text) is
  'Notes that a version has migrated this database, and with what, and tells the workers once the transaction commits.';
