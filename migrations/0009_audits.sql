-- An "audit" is a row: how far it is, and what it has found. So any worker can continue it, and its findings are noted page by page.

create table s3_connector.audits (
  id bigint generated always as identity primary key,
  connector_name text not null references s3_connector.connectors (name) on update cascade on delete cascade,
  asked boolean not null,
  started_at timestamptz not null default now(),
  finished_at timestamptz,
  marker text collate "C",
  position text collate "C",
  compared_at timestamptz not null default now(),
  keys_listed bigint not null default 0,
  keys_matched bigint not null default 0,
  keys_late bigint not null default 0,
  keys_overwritten bigint not null default 0,
  list_requests bigint not null default 0,
  error_code text,
  error text,
  failed_tries integer not null default 0,
  next_try_at timestamptz,
  worker_id integer
);
create index audits_connector_idx on s3_connector.audits (connector_name, started_at desc);
-- A connector has at most one scheduled audit at a time.
create unique index audits_scheduled_idx on s3_connector.audits (connector_name) where finished_at is null and not asked;
create index audits_asked_idx on s3_connector.audits (worker_id) where finished_at is null and asked;

alter table s3_connector_private.progress add column next_audit_at timestamptz;
create index connectors_audit_schedule_idx on s3_connector.connectors (name) where audit_schedule is not null;

drop table s3_connector_private.audit_findings;
