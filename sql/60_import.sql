-- fetch -> read -> copy -> record: what the task import_file does in the database.

create or replace function s3_connector_private.dispatch_next(connector_name text)
returns void language plpgsql as $$
declare
  connector s3_connector.connectors;
  was_ready boolean;
begin
  select c.* into connector from s3_connector.connectors c where c.name = dispatch_next.connector_name;
  select p.table_ready into was_ready from s3_connector_private.progress p where p.connector_name = connector.name;
  if not was_ready and s3_connector_private.table_exists(connector.target_table) then
    update s3_connector_private.progress p set table_ready = true where p.connector_name = connector.name;
  end if;
  -- Otherwise every waiting file has had its job from the start.
  if not was_ready or connector.max_parallel_files is not null then
    perform s3_connector_private.dispatch(connector.name);
  end if;
end;
$$;
comment on function s3_connector_private.dispatch_next(text) is
  'After a file has ended: queues those that waited for its slot, or for the table that it made.';

create or replace function s3_connector_private.has_free_slot(connector_name text)
returns boolean language plpgsql as $$
begin
  if s3_connector_private.free_slots(connector_name) is null then
    return true;
  end if;
  -- One at a time may look, and take what it finds.
  perform s3_connector_private.lock_queue(connector_name);
  return coalesce(s3_connector_private.free_slots(connector_name) > 0, true);
end;
$$;
comment on function s3_connector_private.has_free_slot(text) is
  'Whether one more file of the connector may be imported now; the answer holds until the end of the transaction.';

create or replace function s3_connector_private.start_attempt(
  file_id bigint, new_worker_id integer, live_attempts bigint[] default '{}'
)
returns setof s3_connector.files language plpgsql as $$
declare
  file s3_connector.files;
begin
  -- In a copy of the database this pauses the file instead.
  perform s3_connector_private.pause_if_copied();
  -- Whoever changes the status now may add a job, too: waiting for them, either this job sees the change or theirs comes.
  select f.* into file from s3_connector.files f where f.id = start_attempt.file_id for update;
  if file.status = 'running' then
    -- There may be two jobs for one file. What a dead worker left running is up to rescue_files, what a live one is
    -- at is its own; this worker's own is begun again only where it was lost, as with an answer that never came.
    if file.worker_id is distinct from new_worker_id or file.attempt_id = any (live_attempts) then
      return;
    end if;
  elsif file.status is null or file.status not in ('in_queue', 'pending_retry') then
    return;
  elsif s3_connector_private.waits_for_bucket(file.connector_name)
    or not s3_connector_private.has_free_slot(file.connector_name) then
    -- A retry that comes meanwhile waits in the queue, and is the first to be dispatched.
    update s3_connector.files f set status = 'in_queue', next_attempt_at = null
    where f.id = file.id and f.status = 'pending_retry';
    return;
  elsif file.status = 'pending_retry' and s3_connector_private.imports_wait() then
    -- It takes turns as every other file: many retries of one connector must not hold up the rest.
    update s3_connector.files f set status = 'in_queue', next_attempt_at = null where f.id = file.id;
    perform s3_connector_private.add_import_jobs(array[file.id]);
    return;
  end if;

  return query
    update s3_connector.files f
    set status = 'running', attempts = f.attempts + 1, started_at = clock_timestamp(), worker_id = new_worker_id,
      attempt_id = nextval('s3_connector_private.attempt_ids'), next_attempt_at = null,
      error_code = null, error_message = null,
      lineage = case when c.file_id_column is not null
        then s3_connector_private.table_parts(c.target_table) || c.file_id_column end
    from s3_connector.connectors c
    where f.id = file.id and c.name = f.connector_name
    returning f.*;
end;
$$;
comment on function s3_connector_private.start_attempt(bigint, integer, bigint[]) is
  'Begins an attempt and returns the file; no row where there is nothing to do now (imported, being imported, paused, cancelled, deleted, waiting for its bucket, or all of max_parallel_files taken). live_attempts: those that the worker is making.';

create or replace function s3_connector_private.begin_import(
  file_id bigint, new_worker_id integer, live_attempts bigint[] default '{}'
)
returns table (file json, connector json, mappings json) language plpgsql as $$
declare
  started s3_connector.files;
begin
  select f.* into started from s3_connector_private.start_attempt(file_id, new_worker_id, live_attempts) f;
  if not found then
    return;
  end if;
  -- A statement of its own: it sees what was committed while start_attempt waited for the file.
  return query
    select row_to_json(started), row_to_json(c), (
      select coalesce(json_agg(m), '[]') from s3_connector.column_mappings m where m.connector_name = c.name
    )
    from s3_connector.connectors c where c.name = started.connector_name;
end;
$$;
comment on function s3_connector_private.begin_import(bigint, integer, bigint[]) is
  'start_attempt, and with the file all that its import must know: its connector and the column mappings, as they are now.';

create or replace function s3_connector_private.enter_import(target_table text, time_zone text, application_name text)
returns table (backend integer, target text[], described json) language plpgsql as $$
begin
  target := s3_connector_private.table_parts(target_table);
  perform set_config('timezone', time_zone, true), set_config('datestyle', 'ISO, MDY', true),
    set_config('application_name', application_name, true);
  return query
    select pg_backend_pid(), target, (
      select row_to_json(d) from s3_connector_private.describe_table(target[1], target[2]) d
    );
end;
$$;
comment on function s3_connector_private.enter_import(text, text, text) is
  'Makes a transaction one of an import, in one round trip: sets what values depend on and what it is seen by, and describes the target table (null where there is none).';

create or replace function s3_connector_private.finish_attempt(
  file_id bigint,
  finished_attempt_id bigint,
  new_rows_read bigint,
  new_rows_imported bigint,
  new_rows_rejected bigint,
  new_rows_skipped bigint
)
returns boolean language plpgsql as $$
declare
  finished s3_connector.files;
begin
  update s3_connector.files f
  set status = 'success', worker_id = null, attempt_id = null, rows_read = new_rows_read,
    rows_imported = new_rows_imported, rows_rejected = new_rows_rejected, rows_skipped = new_rows_skipped
  where f.id = finish_attempt.file_id and f.status = 'running' and f.attempt_id = finished_attempt_id
  returning f.* into finished;
  if not found then
    return false;
  end if;
  perform s3_connector_private.dispatch_next(finished.connector_name);
  return true;
end;
$$;
comment on function s3_connector_private.finish_attempt(bigint, bigint, bigint, bigint, bigint, bigint) is
  'Records the success of an attempt, in the transaction of its rows. False where the attempt is no longer the file''s: the caller must roll back.';

create or replace function s3_connector_private.record_success(
  file_id bigint,
  finished_attempt_id bigint,
  new_rows_read bigint,
  new_rows_imported bigint,
  new_rows_rejected bigint,
  new_rows_skipped bigint
)
returns boolean language plpgsql as $$
begin
  if not s3_connector_private.finish_attempt(
    file_id, finished_attempt_id, new_rows_read, new_rows_imported, new_rows_rejected, new_rows_skipped
  ) then
    raise exception 'the file was cancelled, dropped, or taken over by another worker; nothing was kept'
      using errcode = 'S3C01';
  end if;
  return (
    select p.backlog from s3_connector.files f
    join s3_connector_private.progress p on p.connector_name = f.connector_name
    where f.id = file_id
  );
end;
$$;
comment on function s3_connector_private.record_success(bigint, bigint, bigint, bigint, bigint, bigint) is
  'finish_attempt for a transaction whose commit is already on its way: fails where the attempt is no longer the file''s. Returns whether the connector has a backlog.';

create or replace function s3_connector_private.retry_delay(attempt integer)
returns interval language sql volatile as $$
  -- 5 s, 10 s, 20 s ... 10 min, spread by a quarter each way, so that many files do not come back at once.
  select least(5 * 2 ^ least(attempt - 1, 10), 600) * (0.75 + 0.5 * random()) * interval '1 second';
$$;
comment on function s3_connector_private.retry_delay(integer) is 'How long to wait before the attempt after this one.';

create or replace function s3_connector_private.has_stalled(file_id bigint)
returns boolean language sql stable as $$
  select exists (
    select from s3_connector_private.file_history h
    join s3_connector.files f on f.id = h.file_id
    where h.file_id = has_stalled.file_id and h.at >= f.queued_at and h.message like 'reader\_stalled: %'
  );
$$;
comment on function s3_connector_private.has_stalled(bigint) is
  'Whether a reader has stalled on the file since it was queued, by a poll or a person.';

create or replace function s3_connector_private.fail_attempt(
  file_id bigint,
  failed_attempt_id bigint,
  new_error_code text,
  new_error_message text,
  passing boolean
)
returns s3_connector.file_status language plpgsql as $$
declare
  failed s3_connector.files;
begin
  -- Whether it is paused must not change until the file is either paused or has a job.
  perform from s3_connector.connectors c
  where c.name = (select f.connector_name from s3_connector.files f where f.id = fail_attempt.file_id) for share;
  -- Each stall takes a reader, and a place, from all others for READER_STALL_SECONDS.
  passing := passing and not (new_error_code = 'reader_stalled' and s3_connector_private.has_stalled(file_id));
  update s3_connector.files f
  set status = case
      when not passing or f.attempts >= c.max_attempts then 'failure'
      when c.state = 'paused' then 'paused'
      else 'pending_retry'
    end::s3_connector.file_status,
    next_attempt_at = case when passing and f.attempts < c.max_attempts and c.state = 'running'
      then now() + s3_connector_private.retry_delay(f.attempts) end,
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
  'Records a failed attempt: pending_retry with its next job for a passing trouble, failure for a lasting one, such as a reader that stalls again. Null where the attempt is no longer the file''s.';

create or replace function s3_connector_private.reject_rows(file_id bigint, refusals jsonb)
returns bigint language sql as $$
  with written as (
    insert into s3_connector_private.rejected_rows (file_id, line, column_name, error, raw)
    select reject_rows.file_id, r.line, r."column", r.reason, r.raw
    from jsonb_to_recordset(refusals) as r (line bigint, "column" text, reason text, raw text)
    returning 1
  )
  select count(*) from written;
$$;
comment on function s3_connector_private.reject_rows(bigint, jsonb) is
  'Notes the rows that an import leaves out, in the transaction of those that it lands. Returns how many were written.';

create or replace function s3_connector_private.refresh_object(
  file_id bigint, new_etag text, new_size_bytes bigint, new_last_modified timestamptz
)
returns void language sql as $$
  update s3_connector.files f
  set etag = new_etag, size_bytes = new_size_bytes, last_modified = new_last_modified where f.id = file_id;
$$;
comment on function s3_connector_private.refresh_object(bigint, text, bigint, timestamptz) is
  'Notes that an object was overwritten between listing and fetching, so that the next attempt fetches what is there now.';
