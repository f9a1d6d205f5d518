-- The database part of an "import" (fetch, read, copy, record). "Attempt": one try at it, with an id that is never used again.

create or replace function s3_connector_private.dispatch_next(connector_name text)
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  connector s3_connector.connectors;
  was_ready boolean;
begin
  -- First, because it locks the progress, which the lock order has before the queue.
  perform s3_connector_private.poll_if_idle(connector_name);
  select c.* into connector from s3_connector.connectors c where c.name = dispatch_next.connector_name;
  select p.table_ready into was_ready from s3_connector_private.progress p where p.connector_name = connector.name;
  if not was_ready and s3_connector_private.table_oid(connector.target_table) is not null then
    update s3_connector_private.progress p set table_ready = true where p.connector_name = connector.name;
  end if;
  -- Otherwise every waiting file already has a job.
  if not was_ready or s3_connector_private.running_limit(connector, true) is not null then
    perform s3_connector_private.dispatch(connector.name);
  end if;
end;
$$;
comment on function s3_connector_private.dispatch_next(text) is
  'Queues the files that waited for the slot of a file that ended, or for the table that it created; after the last file, the poll that stops the connector.';

create or replace function s3_connector_private.has_free_slot(connector_name text)
returns boolean language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  if s3_connector_private.free_slots(connector_name) is null then
    return true;
  end if;
  -- The lock is held until the attempt takes the slot.
  perform s3_connector_private.lock_queue(connector_name);
  return coalesce(s3_connector_private.free_slots(connector_name) > 0, true);
end;
$$;
comment on function s3_connector_private.has_free_slot(text) is
  'Returns whether one more file of the connector may run now. The answer is valid until the end of the transaction.';

create or replace function s3_connector_private.new_attempt_id()
returns bigint language sql volatile
-- A sequence can go back: at a failover to a standby that lacks the last commits, or at a crash that loses them. Then an attempt
-- from before could record another file that has the same ids. JavaScript has exact integers of 53 bits; these have 48.
return ('x' || right(gen_random_uuid()::text, 12))::bit(48)::bigint;
comment on function s3_connector_private.new_attempt_id() is 'Returns a random id for an attempt.';

create or replace function s3_connector_private.begin_attempts(file_ids bigint[], new_worker_id integer)
returns setof s3_connector.files language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  return query
    update s3_connector.files f
    set status = 'running', attempts = f.attempts + 1, started_at = clock_timestamp(), worker_id = new_worker_id,
      attempt_id = s3_connector_private.new_attempt_id(), next_attempt_at = null,
      error_code = null, error_message = null,
      -- What a file has changed cannot be undone, so such a file needs no lineage.
      lineage = case when c.file_id_column is not null and c.change_column is null
        then s3_connector_import.table_parts(c.target_table) || c.file_id_column end
    from s3_connector.connectors c
    where f.id = any (file_ids) and c.name = f.connector_name
    returning f.*;
end;
$$;
comment on function s3_connector_private.begin_attempts(bigint[], integer) is
  'Begins an attempt at each of these files, which the caller has locked, and returns them.';

create or replace function s3_connector_private.start_attempt(
  file_id bigint, new_worker_id integer, live_attempts bigint[] default '{}'
)
returns setof s3_connector.files language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  file s3_connector.files;
begin
  -- In a copy of the database this pauses the file.
  perform s3_connector_private.pause_if_copied();
  -- Waits for a session that is changing the status. Either this job then sees the new status, or that session has queued a job.
  select f.* into file from s3_connector.files f where f.id = start_attempt.file_id for update;
  if file.status = 'running' then
    -- A file may have two jobs. rescue_files frees the files of dead workers, and a live worker keeps its own. This worker
    -- restarts its own attempt only if it was lost, for example with an answer that never arrived.
    if file.worker_id is distinct from new_worker_id or file.attempt_id = any (live_attempts) then
      return;
    end if;
  elsif file.status is null or file.status not in ('in_queue', 'pending_retry') then
    return;
  elsif exists (
    select from s3_connector.connectors c
    where c.name = file.connector_name and s3_connector_private.belongs_elsewhere(c.owner, new_worker_id)
  ) then
    -- The worker does not know yet that another one runs for this owner.
    perform s3_connector_private.queue_imports(
      array[file.id], array[now() + interval '5 seconds'], case file.status when 'pending_retry' then -1 else 0 end);
    return;
  elsif s3_connector_private.waits_for_bucket(file.connector_name)
    or not s3_connector_private.has_free_slot(file.connector_name)
    or s3_connector_private.waits_for_earlier(file) then
    -- A retry without a slot waits in the queue, and is dispatched first.
    update s3_connector.files f set status = 'in_queue', next_attempt_at = null
    where f.id = file.id and f.status = 'pending_retry';
    return;
  elsif file.status = 'pending_retry' and s3_connector_private.imports_wait() then
    -- A retry takes turns like other files: many retries of one connector must not delay the rest.
    update s3_connector.files f set status = 'in_queue', next_attempt_at = null where f.id = file.id;
    perform s3_connector_private.add_import_jobs(array[file.id]);
    return;
  end if;

  return query select * from s3_connector_private.begin_attempts(array[file.id], new_worker_id);
end;
$$;
comment on function s3_connector_private.start_attempt(bigint, integer, bigint[]) is
  'Begins an attempt and returns the file. No row if the file cannot run now: imported, running, paused, cancelled, deleted, waiting for its bucket or for another worker, or without a free slot. live_attempts: the attempts that the worker is running.';

create or replace function s3_connector_private.milliseconds(duration interval)
returns float8 language sql immutable parallel safe set search_path = pg_catalog, pg_temp as $$ select extract(epoch from duration)::float8 * 1000 $$;
comment on function s3_connector_private.milliseconds(interval) is 'Returns an interval in milliseconds.';

create or replace function s3_connector_private.with_format(c s3_connector.connectors)
returns json language sql stable set search_path = pg_catalog, pg_temp as $$
  select row_to_json(x) from (
    select c.*, s3_connector_private.reading_format(c) as format, s3_connector_private.change_map(c.change_values) as change_map
  ) x;
$$;
comment on function s3_connector_private.with_format(s3_connector.connectors) is
  'Returns a connector with its file format and its change_map, as the worker reads it.';

create or replace function s3_connector_private.begin_import(
  file_id bigint, new_worker_id integer, live_attempts bigint[] default '{}', most_files integer default 1, alone text[] default '{}'
)
returns table (file json, connector json, mappings json, timeout_ms float8, token text) language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  started s3_connector.files;
begin
  select f.* into started from s3_connector_private.start_attempt(file_id, new_worker_id, live_attempts) f;
  if not found then
    return;
  end if;
  -- A separate statement, so that it sees changes that were committed while start_attempt waited for the file.
  return query
    select row_to_json(started), s3_connector_private.with_format(c), (
      select coalesce(json_agg(m), '[]') from s3_connector.column_mappings m where m.connector_name = c.name
    ), s3_connector_private.milliseconds(c.import_timeout), s3_connector_private.import_token('attempt', started.attempt_id)
    from s3_connector.connectors c where c.name = started.connector_name;
  if most_files > 1 and started.connector_name <> all (alone) then
    return query
      select row_to_json(b), null::json, null::json, null::float8, s3_connector_private.import_token('attempt', b.attempt_id)
      from s3_connector_private.begin_bundle(started, most_files) b order by b.key;
  end if;
end;
$$;
comment on function s3_connector_private.begin_import(bigint, integer, bigint[], integer, text[]) is
  'Calls start_attempt, and returns the file with its connector, its column mappings, how long the attempt may take, and the attempt''s token. Then the rest of its bundle, of up to most_files files: only the files and their tokens. alone: connectors whose files are not bundled.';

create or replace function s3_connector_import.set_limits(timeout_ms float8)
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  -- The worker itself ends an import at its timeout. The server does so a minute later, in case the worker cannot.
  backstop text := ceil(timeout_ms + 60000)::text;
begin
  perform set_config('statement_timeout', backstop, true), set_config('idle_in_transaction_session_timeout', backstop, true);
  -- Since PostgreSQL 17.
  if current_setting('transaction_timeout', true) is not null then
    perform set_config('transaction_timeout', backstop, true);
  end if;
  -- By default TimescaleDB refuses a statement that decompresses more than 100,000 rows, as a merge into compressed chunks may.
  if current_setting('timescaledb.max_tuples_decompressed_per_dml_transaction', true) is not null then
    perform set_config('timescaledb.max_tuples_decompressed_per_dml_transaction', '0', true);
  end if;
end;
$$;
comment on function s3_connector_import.set_limits(float8) is
  'Sets the limits of an import''s transaction: those of PostgreSQL a minute above its timeout in milliseconds, and no limit for TimescaleDB''s decompression.';

create or replace function s3_connector_import.enter_import(
  target_table text, owner name, on_conflict text, allow_unlogged boolean, time_zone text, application_name text, timeout_ms float8
)
returns table (backend integer, target text[], described json, refusal json) language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  target := s3_connector_import.table_parts(target_table);
  perform set_config('timezone', time_zone, true), set_config('application_name', application_name, true),
    -- The order in which COPY reads dates. The style stays the one that pg parses.
    set_config('datestyle', 'ISO, ' || s3_connector_import.usual_date_order(owner), true);
  perform s3_connector_import.set_limits(timeout_ms);
  return query
    select pg_backend_pid(), target, (
      select row_to_json(d) from s3_connector_import.describe_table(target[1], target[2], owner) d
    ), (
      select row_to_json(r) from s3_connector_import.refuse_target(target[1], target[2], owner, on_conflict, allow_unlogged) r
      where r.code is not null
    );
end;
$$;
comment on function s3_connector_import.enter_import(text, name, text, boolean, text, text, float8) is
  'Prepares an import''s transaction in one round trip: sets time zone, the owner''s order of dates, application name and limits, and describes the target table (null if there is none), with the reason why it cannot be the target (null if it can).';
