-- Versions that have migrated the database. An older worker must not use a schema that a newer version has migrated, or replace
-- its functions with older ones.

create or replace function s3_connector_private.record_version(new_version text, new_digest text)
returns void language sql set search_path = pg_catalog, pg_temp as $$
  delete from s3_connector_private.versions v where v.version = new_version;
  insert into s3_connector_private.versions (version, digest) values (new_version, new_digest);
  select pg_notify('s3_connector_version', new_version);
$$;
comment on function s3_connector_private.record_version(text, text) is
  'Records that a version has migrated this database, with the digest of its scripts. Notifies the workers when the transaction commits.';
