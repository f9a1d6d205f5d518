-- "Upcoming" keys: matching keys after the marker that a poll listed beyond the free places, so that they are not listed again.
create table s3_connector_private.upcoming_keys (
  connector_name text not null references s3_connector.connectors (name) on update cascade on delete cascade,
  key text collate "C" not null,
  etag text not null,
  size_bytes bigint not null,
  last_modified timestamptz not null,
  primary key (connector_name, key)
);

-- Where polls without a backlog list: see src/list/poll_listing.ts.
alter table s3_connector_private.progress
  add column look_behind text collate "C",
  add column end_position text collate "C",
  add column tail_position text collate "C";
