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

create or replace function s3_connector_private.start_attempt(file_id bigint, new_worker_id integer)
returns setof s3_connector.files language plpgsql as $$
declare
  connector s3_connector.connectors;
begin
  select c.* into connector from s3_connector.connectors c
  join s3_connector.files f on f.connector_name = c.name where f.id = file_id;
  if s3_connector_private.free_slots(connector.name) is not null then
    -- One at a time may look for a free slot.
    perform from s3_connector.connectors c where c.name = connector.name for no key update;
    if s3_connector_private.free_slots(connector.name) <= 0 then
      -- A retry that comes while all slots are taken waits in the queue, and is the first to be dispatched.
      update s3_connector.files f set status = 'in_queue', next_attempt_at = null
      where f.id = file_id and f.status = 'pending_retry';
      if exists (select from s3_connector.files f where f.id = file_id and f.status = 'in_queue') then
        return;
      end if;
    end if;
  end if;

  -- A file that is already running is taken over: its job is ours now, so the worker that had it is gone.
  -- Should that worker live after all, its attempt number is out of date and its record step finds no row.
  return query
    update s3_connector.files f
    set status = 'running', attempts = f.attempts + 1, started_at = clock_timestamp(), worker_id = new_worker_id,
      next_attempt_at = null, error_code = null, error_message = null
    where f.id = start_attempt.file_id and f.status in ('in_queue', 'pending_retry', 'running')
    returning f.*;
end;
$$;
comment on function s3_connector_private.start_attempt(bigint, integer) is
  'Begins an attempt and returns the file; no row where there is nothing to do now (imported, paused, cancelled, deleted, or all of max_parallel_files taken).';

create or replace function s3_connector_private.finish_attempt(
  file_id bigint,
  attempt integer,
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
  set status = 'success', worker_id = null, rows_read = new_rows_read, rows_imported = new_rows_imported,
    rows_rejected = new_rows_rejected, rows_skipped = new_rows_skipped
  where f.id = file_id and f.status = 'running' and f.attempts = attempt
  returning f.* into finished;
  if not found then
    return false;
  end if;
  perform s3_connector_private.dispatch_next(finished.connector_name);
  return true;
end;
$$;
comment on function s3_connector_private.finish_attempt(bigint, integer, bigint, bigint, bigint, bigint) is
  'Records the success of an attempt, in the transaction of its rows. False where the attempt is no longer the file''s: the caller must roll back.';

create or replace function s3_connector_private.retry_delay(attempt integer)
returns interval language sql volatile as $$
  -- 5 s, 10 s, 20 s ... 10 min, spread by a quarter each way, so that many files do not come back at once.
  select least(5 * 2 ^ least(attempt - 1, 10), 600) * (0.75 + 0.5 * random()) * interval '1 second';
$$;
comment on function s3_connector_private.retry_delay(integer) is 'How long to wait before the attempt after this one.';

create or replace function s3_connector_private.fail_attempt(
  file_id bigint,
  attempt integer,
  new_error_code text,
  new_error_message text,
  passing boolean
)
returns s3_connector.file_status language plpgsql as $$
declare
  failed s3_connector.files;
begin
  update s3_connector.files f
  set status = case
      when not passing or f.attempts >= c.max_attempts then 'failure'
      when c.state = 'paused' then 'paused'
      else 'pending_retry'
    end::s3_connector.file_status,
    next_attempt_at = case when passing and f.attempts < c.max_attempts and c.state = 'running'
      then now() + s3_connector_private.retry_delay(f.attempts) end,
    worker_id = null, error_code = new_error_code, error_message = new_error_message
  from s3_connector.connectors c
  where f.id = fail_attempt.file_id and c.name = f.connector_name
    and f.status = 'running' and f.attempts = fail_attempt.attempt
  returning f.* into failed;
  if failed.status = 'pending_retry' then
    perform s3_connector_private.add_import_jobs(array[failed.id], failed.next_attempt_at);
  end if;
  perform s3_connector_private.dispatch_next(failed.connector_name);
  return failed.status;
end;
$$;
comment on function s3_connector_private.fail_attempt(bigint, integer, text, text, boolean) is
  'Records a failed attempt: pending_retry with its next job for a passing trouble, failure for a lasting one. Null where the attempt is no longer the file''s.';

create or replace function s3_connector_private.reject_rows(file_id bigint, refusals jsonb)
returns void language sql as $$
  insert into s3_connector_private.rejected_rows (file_id, line, column_name, error, raw)
  select reject_rows.file_id, r.line, r."column", r.reason, r.raw
  from jsonb_to_recordset(refusals) as r (line bigint, "column" text, reason text, raw text);
$$;
comment on function s3_connector_private.reject_rows(bigint, jsonb) is
  'Notes the rows that an import leaves out, in the transaction of those that it lands.';

create or replace function s3_connector_private.refresh_object(
  file_id bigint, new_etag text, new_size_bytes bigint, new_last_modified timestamptz
)
returns void language sql as $$
  update s3_connector.files f
  set etag = new_etag, size_bytes = new_size_bytes, last_modified = new_last_modified where f.id = file_id;
$$;
comment on function s3_connector_private.refresh_object(bigint, text, bigint, timestamptz) is
  'Notes that an object was overwritten between listing and fetching, so that the next attempt fetches what is there now.';
