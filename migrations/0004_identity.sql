-- Which database the connectors of this one were last seen to run in. A dump takes the row along, and so a restored
-- copy sees that it came from elsewhere. No key: a restore of the data alone adds its row to the one that is there.
create table s3_connector_private.homes (
  system_identifier bigint not null,
  database_oid oid not null,
  since timestamptz not null default now()
);

alter table s3_connector_private.progress add column copy_notice text;
