-- What a connector may ask for beyond its rows: notifications, SQL after them, columns from the key, SQL over the file,
-- and to be told of new objects.
alter table s3_connector.connectors
  add column notify boolean not null default true,
  add column on_import text,
  add column hive_columns text[],
  add column transform text,
  add column event_queue_url text;

-- The few that have a queue, which every worker looks for.
create index connectors_event_queue_idx on s3_connector.connectors (event_queue_url) where event_queue_url is not null;
