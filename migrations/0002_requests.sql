-- What people ask the workers: check, preview, dry_run_file, audit.

create table s3_connector_private.requests (
  id bigint generated always as identity primary key,
  kind text not null,
  connector_name text not null references s3_connector.connectors (name) on update cascade on delete cascade,
  argument text,
  asked_at timestamptz not null default now(),
  worker_id integer,
  answered_at timestamptz,
  error_code text,
  error_message text,
  error_hint text,
  result jsonb,
  constraint requests_kind check (kind in ('check', 'preview', 'dry_run_file', 'audit'))
);
create index requests_asked_at_idx on s3_connector_private.requests (asked_at);
create index requests_connector_idx on s3_connector_private.requests (connector_name);

-- What an audit has found so far; it takes the place of late_files when the audit has seen all keys.
create table s3_connector_private.audit_findings (
  request_id bigint not null references s3_connector_private.requests (id) on delete cascade,
  key text collate "C" not null,
  etag text not null,
  size_bytes bigint not null,
  last_modified timestamptz not null,
  primary key (request_id, key)
);
