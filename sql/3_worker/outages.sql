-- "Outage": a bucket cannot be read at all, so that every LIST fails. The connector's files wait in the queue, without a job and
-- without an attempt. Polls retry the bucket, with backoff, until one succeeds.

create or replace function s3_connector_private.outage_delay(failed_tries integer)
returns interval language sql volatile set search_path = pg_catalog, pg_temp as $$
  select s3_connector_private.backoff(failed_tries, 300);
$$;
comment on function s3_connector_private.outage_delay(integer) is
  'Returns the backoff until a connector retries its bucket.';

create or replace function s3_connector_private.note_outage(
  connector_name text, new_error_code text, new_error text, import_failed boolean
)
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  try_at timestamptz;
begin
  -- The lock order needs the connector first. A connector that was dropped has nothing to wait for.
  perform from s3_connector.connectors c where c.name = note_outage.connector_name for key share;
  if not found then
    return;
  end if;
  -- The backoff grows once per wait, even if many files fail within it.
  insert into s3_connector_private.outages as o (connector_name, error_code, error, next_try_at, imports_wait)
  values (
    note_outage.connector_name, new_error_code, new_error, now() + s3_connector_private.outage_delay(1), import_failed
  )
  on conflict on constraint outages_pkey do update set
    error_code = excluded.error_code,
    error = excluded.error,
    failed_tries = o.failed_tries + (o.next_try_at <= now())::integer,
    next_try_at = case when o.next_try_at <= now()
      then now() + s3_connector_private.outage_delay(o.failed_tries + 1)
      else o.next_try_at
    end,
    imports_wait = o.imports_wait or excluded.imports_wait
  returning o.next_try_at into try_at;
  perform s3_connector_private.add_poll_job(c.name, try_at)
  from s3_connector.connectors c where c.name = note_outage.connector_name and c.state = 'running';
end;
$$;
comment on function s3_connector_private.note_outage(text, text, text, boolean) is
  'Records that the connector''s bucket could not be read, and queues the poll that retries it. import_failed: an import failed, so files wait too.';

create or replace function s3_connector_private.postpone_attempt(
  file_id bigint,
  failed_attempt_id bigint,
  new_error_code text,
  new_error_message text,
  bucket_error_code text,
  bucket_error text
)
returns s3_connector.file_status language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  postponed s3_connector.files :=
    s3_connector_private.take_back_attempt(file_id, failed_attempt_id, new_error_code, new_error_message);
begin
  if postponed.id is null then
    return null;
  end if;
  perform s3_connector_private.note_outage(
    postponed.connector_name, bucket_error_code, bucket_error, import_failed => true
  );
  return postponed.status;
end;
$$;
comment on function s3_connector_private.postpone_attempt(bigint, bigint, text, text, text, text) is
  'Takes back an attempt that failed because of an outage: it does not count, and the file waits in the queue. Returns the new status; null if the attempt no longer owns the file.';

create or replace function s3_connector_private.waits_for_bucket(connector_name text)
returns boolean language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  -- The lock orders this with end_outage: either end_outage sees the caller's file waiting and queues it, or the caller sees that
  -- the outage has ended.
  perform from s3_connector_private.outages o
  where o.connector_name = waits_for_bucket.connector_name and o.imports_wait for key share;
  return found;
end;
$$;
comment on function s3_connector_private.waits_for_bucket(text) is
  'Returns whether the connector''s files wait for their bucket. The answer is valid until the end of the transaction.';

create or replace function s3_connector_private.retry_bucket(connector_name text)
returns void language sql set search_path = pg_catalog, pg_temp as $$
  select s3_connector_private.add_poll_job(o.connector_name)
  from s3_connector_private.outages o where o.connector_name = retry_bucket.connector_name;
$$;
comment on function s3_connector_private.retry_bucket(text) is
  'Queues a poll, for now, of a running connector if it waits for its bucket.';

create or replace function s3_connector_private.end_outage(connector_name text)
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  perform from s3_connector.connectors c where c.name = end_outage.connector_name for share;
  delete from s3_connector_private.outages o where o.connector_name = end_outage.connector_name;
  if found then
    perform s3_connector_private.dispatch(end_outage.connector_name);
  end if;
end;
$$;
comment on function s3_connector_private.end_outage(text) is
  'Ends a connector''s outage, and queues jobs for the files that waited.';

comment on table s3_connector_private.outages is 'Connectors whose bucket cannot be read at all. A row is deleted when the bucket answers.';
comment on column s3_connector_private.outages.since is 'When the first request to the bucket failed.';
comment on column s3_connector_private.outages.error_code is 'Code of the last error.';
comment on column s3_connector_private.outages.error is 'Text of the last error.';
comment on column s3_connector_private.outages.failed_tries is 'How many waits there have been. Failures within one wait do not count.';
comment on column s3_connector_private.outages.next_try_at is 'When a poll retries the bucket. A poll by schedule or by a person may come earlier.';
comment on column s3_connector_private.outages.imports_wait is 'Whether an import failed too. While only polls fail, files that were found before are imported.';
