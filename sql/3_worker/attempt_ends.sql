-- How attempts end: success, failure, or back in the queue.

create or replace function s3_connector_private.write_successes(results jsonb)
returns setof text language plpgsql
-- The plan is kept. Each file is looked up by its id, however few files there were at first.
set enable_hashjoin = off set enable_mergejoin = off set enable_seqscan = off set jit = off
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
  'Writes the success of attempts of one connector. Leaves out attempts that no longer own their file. Returns the connector once for each that it wrote.';

create or replace function s3_connector_private.finish_attempts(results jsonb)
returns boolean language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  written text[] := array(select s3_connector_private.write_successes(results));
begin
  if cardinality(written) <> jsonb_array_length(results) then
    return false;
  end if;
  perform s3_connector_private.require_rejected(results);
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
