-- An older worker must not work on what a newer one has migrated, nor put its own functions in place of the newer ones.

create or replace function s3_connector_private.record_version(new_version text)
returns void language sql as $$
  insert into s3_connector_private.versions (version)
  select new_version where not exists (select from s3_connector_private.versions v where v.version = new_version);
  -- Also where the version is known: there may be new tables all the same, while it is being developed.
  select pg_notify('s3_connector_version', new_version);
$$;
comment on function s3_connector_private.record_version(text) is
  'Notes that a version has migrated this database, and tells the workers, once the transaction commits.';
