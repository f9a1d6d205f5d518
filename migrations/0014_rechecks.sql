-- "Rechecks", where polls look in a long tail, and sums of rejected rows and of late keys, so that nobody counts them.

alter table s3_connector_private.progress
  -- Whether keys that match arrive at the end of the bucket rather than just after the marker.
  add column arrives_at_end boolean not null default false,
  add column tail_walked_at timestamptz,
  add column left_young boolean not null default false,
  add column scan_start text collate "C",
  add column scan_look_behind text collate "C",
  add column recheck_from text collate "C";

-- A "recheck": an audit of the keys that a long scan has passed.
alter table s3_connector.audits add column recheck boolean not null default false;
drop index s3_connector.audits_scheduled_idx;
create unique index audits_scheduled_idx on s3_connector.audits (connector_name, recheck) where finished_at is null and not asked;

alter table s3_connector.late_files add column seen_at timestamptz not null default now();

-- Their sums are the keys in late_files. Statements only insert here, and fold_totals sums up.
create table s3_connector_private.late_totals (
  connector_name text not null,
  reason text not null,
  keys bigint not null,
  bytes numeric not null,
  id uuid not null default gen_random_uuid(),
  primary key (connector_name, id)
);
insert into s3_connector_private.late_totals (connector_name, reason, keys, bytes)
select l.connector_name, l.reason, count(*), sum(l.size_bytes) from s3_connector.late_files l group by 1, 2;

alter table s3_connector_private.totals add column rejected bigint not null default 0;
alter table s3_connector_private.total_changes add column rejected bigint not null default 0;
insert into s3_connector_private.total_changes (connector_name, status, files, rows, bytes, rejected)
select f.connector_name, f.status, 0, 0, 0, sum(f.rows_rejected)
from s3_connector.files f
where f.rows_rejected > 0 and (f.status = 'success' or f.replaces is not null)
group by 1, 2;

-- Finds the last whole audit, beside many rechecks.
create index audits_whole_idx on s3_connector.audits (connector_name, started_at desc)
  where not recheck and finished_at is not null and error_code is null;
