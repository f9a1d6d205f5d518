-- An outage: the bucket as a whole cannot be read, so no LIST of it is answered. The connector's files wait in the queue
-- without a job and without an attempt, and polls ask for the bucket, with backoff, until one is answered.

create or replace function s3_connector_private.outage_delay(failed_tries integer)
returns interval language sql volatile as $$
  -- 5 s, 10 s, 20 s ... 5 min, spread by a quarter each way: many connectors may wait for one server.
  select least(5 * 2 ^ least(failed_tries - 1, 10), 300) * (0.75 + 0.5 * random()) * interval '1 second';
$$;
comment on function s3_connector_private.outage_delay(integer) is
  'How long a connector waits until it asks for its bucket again.';

create or replace function s3_connector_private.note_outage(
  connector_name text, new_error_code text, new_error text, import_failed boolean
)
returns void language plpgsql as $$
declare
  try_at timestamptz;
begin
  -- Locked before what hangs on it, as everywhere. Nothing to wait for where it was dropped.
  perform from s3_connector.connectors c where c.name = note_outage.connector_name for key share;
  if not found then
    return;
  end if;
  -- However many files fail in one wait, it grows once.
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
  'Notes that the connector''s bucket was asked and could not be read, and queues the poll that asks again. import_failed: its files wait for that, too.';

create or replace function s3_connector_private.postpone_attempt(
  file_id bigint,
  failed_attempt_id bigint,
  new_error_code text,
  new_error_message text,
  bucket_error_code text,
  bucket_error text
)
returns s3_connector.file_status language plpgsql as $$
declare
  postponed s3_connector.files;
begin
  -- Whether it is paused must not change until the file is either paused or waits.
  perform from s3_connector.connectors c
  where c.name = (select f.connector_name from s3_connector.files f where f.id = postpone_attempt.file_id) for share;
  update s3_connector.files f
  set status = case c.state when 'paused' then 'paused' else 'in_queue' end::s3_connector.file_status,
    attempts = f.attempts - 1, worker_id = null, attempt_id = null,
    error_code = new_error_code, error_message = new_error_message
  from s3_connector.connectors c
  where f.id = postpone_attempt.file_id and c.name = f.connector_name
    and f.status = 'running' and f.attempt_id = failed_attempt_id
  returning f.* into postponed;
  if not found then
    return null;
  end if;
  perform s3_connector_private.note_outage(
    postponed.connector_name, bucket_error_code, bucket_error, import_failed => true
  );
  return postponed.status;
end;
$$;
comment on function s3_connector_private.postpone_attempt(bigint, bigint, text, text, text, text) is
  'Takes back an attempt that failed because the bucket as a whole cannot be read: it does not count, and the file waits in the queue. Null where the attempt is no longer the file''s.';

create or replace function s3_connector_private.waits_for_bucket(connector_name text)
returns boolean language plpgsql as $$
begin
  -- Locked: end_outage, which queues what waits, then sees that the caller leaves its file waiting, or the caller that it has ended.
  perform from s3_connector_private.outages o
  where o.connector_name = waits_for_bucket.connector_name and o.imports_wait for key share;
  return found;
end;
$$;
comment on function s3_connector_private.waits_for_bucket(text) is
  'Whether the connector''s files wait for their bucket; the answer holds until the end of the transaction.';

create or replace function s3_connector_private.retry_buckets(names text[])
returns void language sql as $$
  select s3_connector_private.add_poll_job(c.name)
  from s3_connector_private.outages o join s3_connector.connectors c on c.name = o.connector_name
  where c.name = any (names) and c.state = 'running';
$$;
comment on function s3_connector_private.retry_buckets(text[]) is
  'Queues a poll, now, of those connectors that wait for their bucket.';

create or replace function s3_connector_private.end_outage(connector_name text)
returns void language plpgsql as $$
begin
  perform from s3_connector.connectors c where c.name = end_outage.connector_name for share;
  delete from s3_connector_private.outages o where o.connector_name = end_outage.connector_name;
  if found then
    perform s3_connector_private.dispatch(end_outage.connector_name);
  end if;
end;
$$;
comment on function s3_connector_private.end_outage(text) is
  'The bucket has answered: the files that waited for it get their jobs again.';

comment on table s3_connector_private.outages is 'The connectors whose bucket as a whole cannot be read; the row goes when the bucket has answered.';
comment on column s3_connector_private.outages.since is 'When the bucket was asked in vain for the first time.';
comment on column s3_connector_private.outages.error_code is 'What the bucket answered last, or what kept it from answering.';
comment on column s3_connector_private.outages.error is 'The same in words.';
comment on column s3_connector_private.outages.failed_tries is 'How many waits there have been; what happens within one of them does not count.';
comment on column s3_connector_private.outages.next_try_at is 'When a poll asks again; a scheduled one, or one that a person asks for, may come earlier.';
comment on column s3_connector_private.outages.imports_wait is 'Whether an import failed, too. While only polls do, files that were found before are imported.';
