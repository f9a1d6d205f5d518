-- What connector_status adds up, kept so that nobody has to count files.

-- No foreign keys here: what the renaming or deleting of a connector does to its files is counted as it happens to them.
create table s3_connector_private.totals (
  connector_name text not null,
  status s3_connector.file_status not null,
  files bigint not null,
  rows bigint not null,
  bytes bigint not null,
  -- What recent_totals adds up to.
  rows_last_hour bigint not null,
  bytes_last_hour bigint not null,
  rows_last_day bigint not null,
  bytes_last_day bigint not null,
  last_finished_at timestamptz,
  primary key (connector_name, status)
) with (fillfactor = 70);

-- Only ever added to, so that imports that end side by side wait for nobody; fold_totals moves them into the others.
create table s3_connector_private.total_changes (
  connector_name text not null,
  status s3_connector.file_status not null,
  minute timestamptz,
  files bigint not null,
  rows bigint not null,
  bytes bigint not null,
  last_finished_at timestamptz
);
create index total_changes_connector_idx on s3_connector_private.total_changes (connector_name);

-- A row per connector and minute (for the last hour), and per connector and ten minutes (for the last day), until it is
-- that long ago and is taken off the totals.
create table s3_connector_private.recent_totals (
  connector_name text not null,
  seconds integer not null,
  since timestamptz not null,
  rows bigint not null,
  bytes bigint not null,
  primary key (connector_name, seconds, since)
) with (fillfactor = 70);
create index recent_totals_since_idx on s3_connector_private.recent_totals (seconds, since);
