-- For workers that run for years, and many at once: history is pruned by age, a worker's role is seen, and so is the version
-- of the worker that last migrated the database.

alter table s3_connector.connectors add column retention interval;
alter table s3_connector_private.progress add column pruned_until timestamptz;

alter table s3_connector_private.workers add column role name, add column notice text;

-- No key: a restore of the data alone adds its rows to those that are there.
create table s3_connector_private.versions (
  version text not null,
  since timestamptz not null default now()
);

-- Their parameters have changed.
drop function if exists s3_connector_private.add_import_jobs(bigint[], timestamptz);
drop function if exists s3_connector_private.import_job(bigint, timestamptz);
