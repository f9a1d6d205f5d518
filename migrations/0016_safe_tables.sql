-- An unlogged table is emptied by a crash of the server, so importing into one must be asked for.
alter table s3_connector.connectors add column allow_unlogged boolean not null default false;

-- PostgreSQL refuses to delete from a published table without a key, as with create publication ... for all tables. The
-- keys are random, because a restore of the data alone adds its rows to those that are there.
alter table s3_connector_private.homes add column id uuid primary key default gen_random_uuid();
alter table s3_connector_private.versions add column id uuid primary key default gen_random_uuid();
-- This index also finds the changes of a connector.
drop index s3_connector_private.total_changes_connector_idx;
alter table s3_connector_private.total_changes
  add column id uuid not null default gen_random_uuid(),
  add primary key (connector_name, id);

-- Their results or parameters have changed.
drop function if exists s3_connector_private.hides_rows(text, text);
drop function if exists s3_connector_private.describe_table(text, text);
drop function if exists s3_connector_private.enter_import(text, text, text);
