-- What the setup of a connector shows before anything is imported: the first rows, and the external id of the workers. And the key of
-- the table that it makes.

alter table s3_connector.connectors add column primary_key text[];

create table s3_connector.preview_rows (
  connector_name text not null references s3_connector.connectors (name) on update cascade on delete cascade,
  position integer not null,
  line bigint,
  "values" jsonb,
  error text,
  raw text,
  primary key (connector_name, position)
);

alter table s3_connector_private.workers add column external_id text;
