-- Which keys a connector leaves out, and which files connectors have imported that were dropped since.

-- Connectors that are there keep their hidden keys.
alter table s3_connector.connectors
  add column exclude text[],
  add column include_hidden boolean not null default true;
alter table s3_connector.connectors alter column include_hidden set default false;
