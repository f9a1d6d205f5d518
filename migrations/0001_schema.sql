-- The tables of version 0.1.0. Every one has a primary key: PostgreSQL refuses to delete from a published table without one. What people type against is in the schema s3_connector; what only the
-- worker touches is in s3_connector_private. Functions, views, triggers and comments are in sql/, which is
-- applied again whole after every migration.

create schema s3_connector;
create schema s3_connector_private;

-- The migrations that this database has had, and the digest of each, by which an edited one is refused.
create table s3_connector_private.migrations (
  name text primary key,
  digest text not null,
  applied_at timestamptz not null default now()
);

-- The versions that have migrated this database. digest: of all that the version has applied.
create table s3_connector_private.versions (
  id uuid primary key default gen_random_uuid(),
  version text not null,
  digest text not null,
  since timestamptz not null default now()
);

create type s3_connector.file_status as enum (
  'in_queue', 'running', 'pending_retry', 'paused', 'success', 'failure', 'cancelled', 'undone'
);

-- Words, ranges and formats are checked by the trigger validate_connector, which can say what was expected: an enum
-- or a domain would refuse with a bare SQLSTATE before the trigger is asked.
create table s3_connector.connectors (
  name text primary key,
  bucket text not null,
  pattern text not null,
  file_format text not null,
  target_table text not null,
  region text,
  endpoint text,
  auth_method text not null default 'worker',
  role_arn text,
  schedule text not null default '* * * * *',
  csv_delimiter text not null default ',',
  csv_quote text not null default '"',
  csv_escape text not null default '"',
  csv_null text not null default '',
  csv_encoding text not null default 'utf-8',
  csv_skip_header boolean not null default true,
  time_zone text not null default 'UTC',
  match_columns_by text not null default 'name',
  on_unknown_column text not null default 'fail',
  create_table boolean not null default true,
  allow_unlogged boolean not null default false,
  time_column text,
  hypertable boolean,
  chunk_interval interval not null default '7 days',
  columnstore boolean not null default false,
  segment_by text[],
  order_by text[],
  on_conflict text not null default 'fail',
  on_bad_row text not null default 'fail',
  max_bad_rows bigint default 10000,
  file_id_column text,
  max_file_bytes bigint not null default 1073741824,
  max_row_bytes integer not null default 2097152,
  max_tracked_files integer not null default 100,
  max_parallel_files integer,
  max_attempts integer not null default 5,
  min_object_age interval not null default '0',
  start_after text,
  retention interval,
  notify boolean not null default true,
  on_import text,
  hive_columns text[],
  transform text,
  event_queue_url text,
  state text not null default 'running',
  owner name not null default current_user,
  created_at timestamptz not null default now()
);

-- The few that have a queue, which every worker looks for.
create index connectors_event_queue_idx on s3_connector.connectors (event_queue_url) where event_queue_url is not null;

create table s3_connector.column_mappings (
  connector_name text not null references s3_connector.connectors (name) on update cascade on delete cascade,
  source_column text not null,
  target_column text,
  data_type text,
  primary key (connector_name, source_column)
);

-- Keys are in collation "C": its order is that of UTF-8 bytes, which is S3's.
create table s3_connector.files (
  id bigint generated always as identity primary key,
  connector_name text not null references s3_connector.connectors (name) on update cascade on delete cascade,
  key text collate "C" not null,
  etag text not null,
  size_bytes bigint not null,
  last_modified timestamptz not null,
  status s3_connector.file_status not null default 'in_queue',
  attempts integer not null default 0,
  rows_read bigint,
  rows_imported bigint,
  rows_rejected bigint,
  rows_skipped bigint,
  error_code text,
  error_message text,
  queued_at timestamptz not null default now(),
  started_at timestamptz,
  finished_at timestamptz,
  next_attempt_at timestamptz,
  status_since timestamptz not null default now(),
  worker_id integer,
  attempt_id bigint,
  lineage text[],
  unique (connector_name, key),
  constraint files_rows_add_up check (rows_read = rows_imported + rows_rejected + rows_skipped),
  constraint files_success_has_counts check (status <> 'success' or rows_read is not null)
) with (fillfactor = 85);

-- attempts is counted from the start again when a person retries a file; an attempt's id never comes twice.
create sequence s3_connector_private.attempt_ids;

-- By status in one connector; its last success and its last failure.
create index files_connector_status_idx on s3_connector.files (connector_name, status, finished_at desc nulls last);
-- Files not yet ended: what a poll counts against max_tracked_files, and what waits, in key order.
create index files_tracked_idx on s3_connector.files (connector_name, status, key)
  where status in ('in_queue', 'running', 'pending_retry', 'paused');
-- The few that people look for over all connectors.
create index files_ended_badly_idx on s3_connector.files (status, finished_at desc nulls last)
  where status in ('failure', 'cancelled', 'undone');
-- Search by name over all connectors.
create index files_key_idx on s3_connector.files (key);
create index files_running_idx on s3_connector.files (worker_id) where status = 'running';

create table s3_connector.polls (
  id bigint generated always as identity primary key,
  connector_name text not null references s3_connector.connectors (name) on update cascade on delete cascade,
  started_at timestamptz not null,
  seconds double precision not null,
  keys_listed bigint not null default 0,
  keys_matched bigint not null default 0,
  files_enqueued bigint not null default 0,
  list_requests integer not null default 0,
  error_code text,
  error text
);
create index polls_connector_idx on s3_connector.polls (connector_name, started_at desc);

create table s3_connector.preview_files (
  connector_name text not null references s3_connector.connectors (name) on update cascade on delete cascade,
  key text collate "C" not null,
  size_bytes bigint not null,
  last_modified timestamptz not null,
  primary key (connector_name, key)
);

create table s3_connector.preview_columns (
  connector_name text not null references s3_connector.connectors (name) on update cascade on delete cascade,
  position integer not null,
  source_column text not null,
  inferred_type text not null,
  nullable boolean not null,
  target_column text,
  target_type text,
  suggested_time_column boolean not null default false,
  primary key (connector_name, position)
);

create table s3_connector.checks (
  connector_name text not null references s3_connector.connectors (name) on update cascade on delete cascade,
  position integer not null,
  step text not null,
  ok boolean not null,
  message text not null,
  hint text,
  checked_at timestamptz not null default now(),
  primary key (connector_name, position)
);

create table s3_connector.late_files (
  connector_name text not null references s3_connector.connectors (name) on update cascade on delete cascade,
  key text collate "C" not null,
  etag text not null,
  size_bytes bigint not null,
  last_modified timestamptz not null,
  reason text not null,
  found_at timestamptz not null default now(),
  primary key (connector_name, key),
  constraint late_files_reason check (reason in ('late', 'overwritten'))
);

-- How far the polls of a connector have come; apart from connectors, which holds what people configure.
create table s3_connector_private.progress (
  connector_name text primary key references s3_connector.connectors (name) on update cascade on delete cascade,
  marker text collate "C",
  scan_position text collate "C",
  backlog boolean not null default true,
  poll_asked_at timestamptz,
  table_ready boolean not null default false,
  last_poll_at timestamptz,
  next_poll_at timestamptz not null default now(),
  notice text,
  copy_notice text,
  pruned_until timestamptz
);
create index progress_due_idx on s3_connector_private.progress (next_poll_at);

create table s3_connector_private.file_history (
  id bigint generated always as identity primary key,
  file_id bigint not null references s3_connector.files (id) on delete cascade,
  from_status s3_connector.file_status,
  to_status s3_connector.file_status not null,
  at timestamptz not null default clock_timestamp(),
  seconds double precision,
  attempt integer not null,
  message text
);
create index file_history_file_idx on s3_connector_private.file_history (file_id, id);

create table s3_connector_private.rejected_rows (
  id bigint generated always as identity primary key,
  file_id bigint not null references s3_connector.files (id) on delete cascade,
  line bigint not null,
  column_name text,
  error text not null,
  raw text not null
);
create index rejected_rows_file_idx on s3_connector_private.rejected_rows (file_id, line);

create table s3_connector_private.workers (
  id integer generated always as identity primary key,
  host text not null,
  pid integer not null,
  version text not null,
  concurrency integer not null,
  pool_ids text[] not null default '{}',
  started_at timestamptz not null default now(),
  stopped_at timestamptz,
  role name,
  notice text
);

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
  last_finished_at timestamptz,
  -- The last, as rows are added by position.
  id uuid not null default gen_random_uuid(),
  primary key (connector_name, id)
);

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

-- Which database the connectors of this one were last seen to run in. A dump takes the row along, and so a restored
-- copy sees that it came from elsewhere. Its key is random: a restore of the data alone adds a row.
create table s3_connector_private.database_identity (
  id uuid primary key default gen_random_uuid(),
  system_identifier bigint not null,
  database_oid oid not null,
  since timestamptz not null default now()
);

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
