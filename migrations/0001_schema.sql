-- The tables of version 0.1.0. The schema s3_connector has the tables that people use, s3_connector_private those that only the
-- worker uses. Functions, views, triggers and comments are in sql/, all of which is applied again after every migration.
-- Every table has a primary key, because PostgreSQL refuses to delete from a published table without one.

create schema s3_connector;
create schema s3_connector_private;

-- The migrations that were applied, each with its digest. A migration that was edited since is refused.
create table s3_connector_private.migrations (
  name text primary key,
  digest text not null,
  applied_at timestamptz not null default now()
);

-- The versions that have migrated this database. digest: of everything that the version applies.
create table s3_connector_private.versions (
  id uuid primary key default gen_random_uuid(),
  version text not null,
  digest text not null,
  since timestamptz not null default now()
);

create type s3_connector.file_status as enum (
  'in_queue', 'running', 'pending_retry', 'paused', 'success', 'failure', 'cancelled', 'undone'
);

-- The trigger validate_connector checks words, ranges and formats, because its errors say what was expected. An enum or a domain
-- would raise a less helpful error before the trigger runs.
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

-- For the few connectors with an event queue, which every worker looks for.
create index connectors_event_queue_idx on s3_connector.connectors (event_queue_url) where event_queue_url is not null;

create table s3_connector.column_mappings (
  connector_name text not null references s3_connector.connectors (name) on update cascade on delete cascade,
  source_column text not null,
  target_column text,
  data_type text,
  primary key (connector_name, source_column)
);

-- Keys have the collation "C", which sorts by UTF-8 bytes, as S3 does.
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

-- files.attempts restarts when a person retries a file. An attempt's id is never used again.
create sequence s3_connector_private.attempt_ids;

-- For files by status in one connector, and for its last success and last failure.
create index files_connector_status_idx on s3_connector.files (connector_name, status, finished_at desc nulls last);
-- For files that have not ended, in key order. A poll counts them against max_tracked_files.
create index files_tracked_idx on s3_connector.files (connector_name, status, key)
  where status in ('in_queue', 'running', 'pending_retry', 'paused');
-- For the few that people look for across all connectors.
create index files_ended_badly_idx on s3_connector.files (status, finished_at desc nulls last)
  where status in ('failure', 'cancelled', 'undone');
-- For a search by key across all connectors.
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

-- Progress of a connector's polls. Separate from connectors, which holds only settings.
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

-- Requests to the workers: check, preview, dry_run_file, audit.
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

-- Findings of a running audit. When it has compared all keys, they replace late_files.
create table s3_connector_private.audit_findings (
  request_id bigint not null references s3_connector_private.requests (id) on delete cascade,
  key text collate "C" not null,
  etag text not null,
  size_bytes bigint not null,
  last_modified timestamptz not null,
  primary key (request_id, key)
);

-- Sums for connector_status, so that nobody has to count files. No foreign keys: when a connector is renamed or deleted, the
-- changes to its files are added like any others.
create table s3_connector_private.totals (
  connector_name text not null,
  status s3_connector.file_status not null,
  files bigint not null,
  rows bigint not null,
  bytes bigint not null,
  -- Sums of recent_totals.
  rows_last_hour bigint not null,
  bytes_last_hour bigint not null,
  rows_last_day bigint not null,
  bytes_last_day bigint not null,
  last_finished_at timestamptz,
  primary key (connector_name, status)
) with (fillfactor = 70);

-- Statements only insert here, so that imports that end at the same time do not wait for each other. fold_totals moves the rows
-- into totals and recent_totals.
create table s3_connector_private.total_changes (
  connector_name text not null,
  status s3_connector.file_status not null,
  minute timestamptz,
  files bigint not null,
  rows bigint not null,
  bytes bigint not null,
  last_finished_at timestamptz,
  -- The last column, because rows are inserted by position.
  id uuid not null default gen_random_uuid(),
  primary key (connector_name, id)
);

-- One row per connector and minute of the last hour, and per connector and ten minutes of the last day. Older rows are deleted
-- and subtracted from totals.
create table s3_connector_private.recent_totals (
  connector_name text not null,
  seconds integer not null,
  since timestamptz not null,
  rows bigint not null,
  bytes bigint not null,
  primary key (connector_name, seconds, since)
) with (fillfactor = 70);
create index recent_totals_since_idx on s3_connector_private.recent_totals (seconds, since);

-- The database in which the connectors last ran. A dump contains the row, so a restored copy detects that it is one. The key is
-- random, so that a restore of only the data adds a row.
create table s3_connector_private.database_identity (
  id uuid primary key default gen_random_uuid(),
  system_identifier bigint not null,
  database_oid oid not null,
  since timestamptz not null default now()
);

-- Connectors whose bucket cannot be read at all. They wait for it, and their files use no attempts for that.
create table s3_connector_private.outages (
  connector_name text primary key references s3_connector.connectors (name) on update cascade on delete cascade,
  since timestamptz not null default now(),
  error_code text not null,
  error text not null,
  failed_tries integer not null default 1,
  next_try_at timestamptz not null,
  imports_wait boolean not null
);
