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
returns bigint language sql volatile set search_path = pg_catalog, pg_temp as $$
  -- A sequence can go back: at a failover to a standby that lacks the last commits, or at a crash that loses them. Then an attempt
  -- from before could record another file that has the same ids. JavaScript has exact integers of 53 bits; these have 48.
  select ('x' || right(gen_random_uuid()::text, 12))::bit(48)::bigint;
$$;
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

create or replace function s3_connector_private.write_successes(results jsonb)
returns setof text language plpgsql
-- Only a loop over the results keeps their order, in which the history is written and listeners are notified.
set enable_hashjoin = off set enable_mergejoin = off set enable_seqscan = off
set search_path = pg_catalog, pg_temp as $$
begin
  return query
    update s3_connector.files f
    set status = 'success', worker_id = null, attempt_id = null, rows_read = r.read,
      rows_imported = r.imported, rows_rejected = r.rejected, rows_skipped = r.skipped,
      rows_inserted = r.inserted, rows_updated = r.updated, rows_deleted = r.deleted,
      -- The transaction has locked the table, so its name is still the same.
      lineage_table = case when f.lineage is not null then s3_connector_import.relation_oid(f.lineage[1], f.lineage[2]) end,
      replaces = null, replaces_table = null, notice = r.notice
    from jsonb_to_recordset(results) as r (
      file_id bigint, attempt_id bigint, read bigint, imported bigint, rejected bigint, skipped bigint,
      inserted bigint, updated bigint, deleted bigint, notice text
    )
    where f.id = r.file_id and f.status = 'running' and f.attempt_id = r.attempt_id
    returning f.connector_name;
end;
$$;
comment on function s3_connector_private.write_successes(jsonb) is
  'Writes the success of attempts of one connector, in this order. Leaves out attempts that no longer own their file. Returns the connector once for each that it wrote.';

create or replace function s3_connector_private.finish_attempts(results jsonb)
returns boolean language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  written text[] := array(select s3_connector_private.write_successes(results));
begin
  if cardinality(written) <> jsonb_array_length(results) then
    return false;
  end if;
  perform s3_connector_private.require_rejected(r.file_id, r.rejected)
  from jsonb_to_recordset(results) as r (file_id bigint, rejected bigint);
  perform s3_connector_private.dispatch_next(written[1]);
  return true;
end;
$$;
comment on function s3_connector_private.finish_attempts(jsonb) is
  'Records the success of attempts of one connector, in the transaction of their rows. Returns false if one no longer owns its file: the caller must roll back.';

create or replace function s3_connector_private.finish_attempt(
  file_id bigint,
  finished_attempt_id bigint,
  new_rows_read bigint,
  new_rows_imported bigint,
  new_rows_rejected bigint,
  new_rows_skipped bigint,
  new_notice text default null,
  new_rows_inserted bigint default null,
  new_rows_updated bigint default null,
  new_rows_deleted bigint default null
)
returns boolean language sql set search_path = pg_catalog, pg_temp as $$
  select s3_connector_private.finish_attempts(jsonb_build_array(jsonb_build_object(
    'file_id', file_id, 'attempt_id', finished_attempt_id, 'read', new_rows_read, 'imported', new_rows_imported,
    'rejected', new_rows_rejected, 'skipped', new_rows_skipped, 'inserted', new_rows_inserted, 'updated', new_rows_updated,
    'deleted', new_rows_deleted, 'notice', new_notice
  )));
$$;
comment on function s3_connector_private.finish_attempt(bigint, bigint, bigint, bigint, bigint, bigint, text, bigint, bigint, bigint) is
  'Calls finish_attempts for one attempt.';

create or replace function s3_connector_private.refuse_lost_attempt()
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  raise exception 'the file was cancelled, dropped, or taken over by another worker; nothing was kept'
    using errcode = 'S3C01';
end;
$$;
comment on function s3_connector_private.refuse_lost_attempt() is
  'Raises S3C01: the attempt is no longer the file''s current one.';

create or replace function s3_connector_import.record_success(
  file_id bigint,
  finished_attempt_id bigint,
  token text,
  new_rows_read bigint,
  new_rows_imported bigint,
  new_rows_rejected bigint,
  new_rows_skipped bigint,
  created_table boolean,
  new_notice text,
  file_notice text default null,
  new_rows_inserted bigint default null,
  new_rows_updated bigint default null,
  new_rows_deleted bigint default null
)
returns boolean language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  connector_name text;
  has_backlog boolean;
begin
  perform s3_connector_private.check_token('attempt', finished_attempt_id, token);
  if not s3_connector_private.finish_attempt(
    file_id, finished_attempt_id, new_rows_read, new_rows_imported, new_rows_rejected, new_rows_skipped,
    file_notice, new_rows_inserted, new_rows_updated, new_rows_deleted
  ) then
    perform s3_connector_private.refuse_lost_attempt();
  end if;
  select f.connector_name, s3_connector_private.has_more(f.connector_name) into connector_name, has_backlog
  from s3_connector.files f where f.id = file_id;
  -- Last, because it locks the connector's row: polls and people's commands wait for that lock until the commit.
  if created_table then
    perform s3_connector_private.set_notice(connector_name, new_notice);
  end if;
  return has_backlog;
end;
$$;
comment on function s3_connector_import.record_success(bigint, bigint, text, bigint, bigint, bigint, bigint, boolean, text, text, bigint, bigint, bigint) is
  'Calls finish_attempt, and raises S3C01 if the attempt no longer owns the file, because the client has already sent the commit. Sets the file''s notice; if the attempt created the table, the connector''s as well. Returns whether the connector has more to enqueue.';

create or replace function s3_connector_import.record_successes(results jsonb)
returns boolean language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform s3_connector_private.check_token('attempt', r.attempt_id, r.token),
    s3_connector_import.require_version(r.file_id, r.attempt_id, r.etag, r.size_bytes)
  from jsonb_to_recordset(results) as r (file_id bigint, attempt_id bigint, token text, etag text, size_bytes bigint);
  if not s3_connector_private.finish_attempts(results) then
    perform s3_connector_private.refuse_lost_attempt();
  end if;
  return (
    select s3_connector_private.has_more(f.connector_name) from s3_connector.files f
    where f.id = (results -> 0 ->> 'file_id')::bigint
  );
end;
$$;
comment on function s3_connector_import.record_successes(jsonb) is
  'Calls finish_attempts for a bundle, and raises S3C01 if one attempt no longer owns its file. Of each: file_id, attempt_id, token, etag and size_bytes of the version that was read, read, imported, rejected, skipped, notice. Returns whether the connector has more to enqueue.';

create or replace function s3_connector_private.has_stalled(file_id bigint)
returns boolean language sql stable set search_path = pg_catalog, pg_temp as $$
  select exists (
    select from s3_connector_private.file_history h
    join s3_connector.files f on f.id = h.file_id
    where h.file_id = has_stalled.file_id and h.at >= f.queued_at and h.message like 'reader\_stalled: %'
  );
$$;
comment on function s3_connector_private.has_stalled(bigint) is
  'Returns whether a reader has stalled on the file since a poll or a person queued it.';

create or replace function s3_connector_private.fail_attempt(
  file_id bigint,
  failed_attempt_id bigint,
  new_error_code text,
  new_error_message text,
  passing boolean
)
returns s3_connector.file_status language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  failed s3_connector.files;
begin
  -- The connector must not be paused or resumed until the file is either paused or has a job.
  perform from s3_connector.connectors c
  where c.name = (select f.connector_name from s3_connector.files f where f.id = fail_attempt.file_id) for share;
  -- Each stall blocks a reader and a place for READER_STALL_SECONDS, so a second one is a lasting error.
  passing := passing and not (new_error_code = 'reader_stalled' and s3_connector_private.has_stalled(file_id));
  update s3_connector.files f
  set status = case
      when not passing or f.attempts >= c.max_attempts then 'failure'
      when c.state = 'paused' then 'paused'
      else 'pending_retry'
    end::s3_connector.file_status,
    next_attempt_at = case when passing and f.attempts < c.max_attempts and c.state = 'running'
      then now() + s3_connector_private.backoff(f.attempts, 600) end,
    worker_id = null, attempt_id = null, error_code = new_error_code, error_message = new_error_message
  from s3_connector.connectors c
  where f.id = fail_attempt.file_id and c.name = f.connector_name
    and f.status = 'running' and f.attempt_id = failed_attempt_id
  returning f.* into failed;
  if not found then
    return null;
  end if;
  perform s3_connector_private.dispatch_next(failed.connector_name);
  if failed.status = 'pending_retry' then
    perform s3_connector_private.add_retry_job(failed.id, failed.next_attempt_at);
  end if;
  return failed.status;
end;
$$;
comment on function s3_connector_private.fail_attempt(bigint, bigint, text, text, boolean) is
  'Records a failed attempt: pending_retry with its next job after a passing error, failure after a lasting one or a second stall of a reader. Returns the new status; null if the attempt no longer owns the file.';

create or replace function s3_connector_private.take_back_attempt(
  file_id bigint, taken_attempt_id bigint, new_error_code text, new_error_message text
)
returns s3_connector.files language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  taken s3_connector.files;
begin
  -- The connector must not be paused or resumed until the file is either paused or waits.
  perform from s3_connector.connectors c
  where c.name = (select f.connector_name from s3_connector.files f where f.id = take_back_attempt.file_id) for share;
  update s3_connector.files f
  set status = case c.state when 'paused' then 'paused' else 'in_queue' end::s3_connector.file_status,
    attempts = f.attempts - 1, worker_id = null, attempt_id = null,
    error_code = new_error_code, error_message = new_error_message
  from s3_connector.connectors c
  where f.id = take_back_attempt.file_id and c.name = f.connector_name
    and f.status = 'running' and f.attempt_id = taken_attempt_id
  returning f.* into taken;
  return taken;
end;
$$;
comment on function s3_connector_private.take_back_attempt(bigint, bigint, text, text) is
  'Ends an attempt that does not count: the file waits in the queue, or is paused with its connector. The caller queues its next job. Returns the file; nulls if the attempt no longer owns it.';

create or replace function s3_connector_import.reject_rows(file_id bigint, running_attempt_id bigint, token text, refusals jsonb)
returns bigint language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  written bigint;
begin
  perform s3_connector_private.check_token('attempt', running_attempt_id, token);
  if not exists (
    select from s3_connector.files f
    where f.id = reject_rows.file_id and f.status = 'running' and f.attempt_id = running_attempt_id
  ) then
    perform s3_connector_private.refuse_lost_attempt();
  end if;
  insert into s3_connector_private.rejected_rows (file_id, line, column_name, error, raw)
  select reject_rows.file_id, r.line, r."column", r.reason, r.raw
  from jsonb_to_recordset(refusals) as r (line bigint, "column" text, reason text, raw text);
  get diagnostics written = row_count;
  return written;
end;
$$;
comment on function s3_connector_import.reject_rows(bigint, bigint, text, jsonb) is
  'Records the rows that an import leaves out, in the transaction of the imported rows. Returns how many.';

create or replace function s3_connector_private.refresh_object(
  file_id bigint, running_attempt_id bigint, new_etag text, new_size_bytes bigint, new_last_modified timestamptz
)
returns void language sql set search_path = pg_catalog, pg_temp as $$
  update s3_connector.files f
  set etag = new_etag, size_bytes = new_size_bytes, last_modified = new_last_modified
  where f.id = file_id and f.status = 'running' and f.attempt_id = running_attempt_id;
$$;
comment on function s3_connector_private.refresh_object(bigint, bigint, text, bigint, timestamptz) is
  'Records the new version of an object that was overwritten between listing and fetching, if the attempt still owns the file: another one may have imported the earlier version.';
