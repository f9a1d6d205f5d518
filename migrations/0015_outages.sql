-- A connector whose bucket cannot be read as a whole waits for it, and none of its files spends an attempt on that.
create table s3_connector_private.outages (
  connector_name text primary key references s3_connector.connectors (name) on update cascade on delete cascade,
  since timestamptz not null default now(),
  error_code text not null,
  error text not null,
  failed_tries integer not null default 1,
  next_try_at timestamptz not null,
  imports_wait boolean not null
);
