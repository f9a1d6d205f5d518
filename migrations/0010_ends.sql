-- Which keys a connector leaves out, and which files connectors have imported that were dropped since.

-- Connectors that are there keep their hidden keys.
alter table s3_connector.connectors
  add column exclude text[],
  add column include_hidden boolean not null default true;
alter table s3_connector.connectors alter column include_hidden set default false;

create index connectors_bucket_idx on s3_connector.connectors (bucket);

-- Connectors that were dropped after they had imported files. endpoint null: AWS. target_oid null: found by name.
create table s3_connector_private.dropped_connectors (
  id bigint generated always as identity primary key,
  name text not null,
  bucket text not null,
  endpoint text,
  pattern text not null,
  target_table text not null,
  target_oid oid,
  files bigint not null,
  last_key text collate "C" not null,
  dropped_at timestamptz not null default now()
);
create index dropped_connectors_bucket_idx on s3_connector_private.dropped_connectors (bucket);
