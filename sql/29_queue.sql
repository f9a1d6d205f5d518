-- The queue: graphile-worker's tables, in the schema s3_connector_queue. Another application of this database may run its
-- own graphile-worker, of another version. Only this file and src/worker/queue.ts know the queue's private parts.
-- This file has functions only. A view, or an argument of one of graphile-worker's types, would depend on its tables and
-- block its migrations.
--
-- Each share of a worker's places looks for jobs of its own priorities (src/worker/shares.ts), so that it reads only its part
-- of the one index; the lowest number runs first:
--   -30 housekeeping (in the crontab), -20 requests, -10 polls, -1 retries of imports, 0 imports

create or replace function s3_connector_private.poll_job_key(connector_name text)
returns text language sql immutable parallel safe as $$ select 'poll:' || connector_name $$;
comment on function s3_connector_private.poll_job_key(text) is 'The job key of a connector''s poll: never two in the queue.';

create or replace function s3_connector_private.import_job_key(file_id bigint)
returns text language sql immutable parallel safe as $$ select 'import_file:' || file_id $$;
comment on function s3_connector_private.import_job_key(bigint) is 'The job key of a file''s import: never two in the queue.';

-- A single select, so that PostgreSQL inlines it and uses the indexes.
create or replace function s3_connector_private.jobs()
returns table (key text, priority smallint, run_at timestamptz, waits boolean, begun boolean) language sql stable as $$
  select j.key, j.priority, j.run_at, j.is_available, j.locked_at is not null from s3_connector_queue._private_jobs j;
$$;
comment on function s3_connector_private.jobs() is
  'The jobs in the queue. One that waits has not begun and may run; one that has neither begun nor waits was interrupted and may not run again.';

create or replace function s3_connector_private.queue_polls(
  connector_names text[], run_at timestamptz default now(), keep_earlier boolean default false
)
returns void language sql as $$
  select s3_connector_queue.add_jobs(array_agg((
    'poll', json_build_object('connector_name', name), null, queue_polls.run_at, 1,
    s3_connector_private.poll_job_key(name), -10, null
  )::s3_connector_queue.job_spec order by name), job_key_preserve_run_at => keep_earlier)
  from unnest(connector_names) as name
  having count(*) > 0;
$$;
comment on function s3_connector_private.queue_polls(text[], timestamptz, boolean) is
  'Queues a poll of each of these connectors, in place of one that waits. With keep_earlier, one that waits keeps its time.';

create or replace function s3_connector_private.remove_poll_job(connector_name text)
returns void language sql as $$
  select s3_connector_queue.remove_job(s3_connector_private.poll_job_key(connector_name));
$$;
comment on function s3_connector_private.remove_poll_job(text) is
  'Takes the connector''s poll out of the queue; one that has begun goes on, but not a second time.';

create or replace function s3_connector_private.queue_imports(
  file_ids bigint[], run_at timestamptz[], priority integer default 0
)
returns void language sql as $$
  -- Retries are ours and not the queue's, so a job has no limit of its own.
  select s3_connector_queue.add_jobs(array_agg((
    'import_file', json_build_object('file_id', f.id), null, f.run_at, 32767,
    s3_connector_private.import_job_key(f.id), queue_imports.priority, null
  )::s3_connector_queue.job_spec order by f.nr))
  from unnest(file_ids, queue_imports.run_at) with ordinality as f (id, run_at, nr)
  having count(*) > 0;
$$;
comment on function s3_connector_private.queue_imports(bigint[], timestamptz[], integer) is
  'Queues the imports of files, each with the run_at of the same index, in place of those that wait.';

create or replace function s3_connector_private.remove_jobs_of_files(file_ids bigint[])
returns void language plpgsql as $$
begin
  perform s3_connector_queue.remove_job(s3_connector_private.import_job_key(id)) from unnest(file_ids) as id;
end;
$$;
comment on function s3_connector_private.remove_jobs_of_files(bigint[]) is
  'Takes imports out of the queue; those that have begun go on, but not a second time.';

create or replace function s3_connector_private.queue_request(kind text, request_id bigint)
returns void language sql as $$
  select s3_connector_queue.add_job(
    kind, json_build_object('request_id', request_id), max_attempts => 3, priority => -20
  );
$$;
comment on function s3_connector_private.queue_request(text, bigint) is 'Queues the answer to a request.';

create or replace function s3_connector_private.imports_wait()
returns boolean language sql as $$
  select exists (
    select from s3_connector_private.jobs() j where j.waits and j.priority = 0 and j.run_at <= now()
  );
$$;
comment on function s3_connector_private.imports_wait() is 'Whether any file waits for a worker.';

create or replace function s3_connector_private.queue_head()
returns timestamptz language sql as $$
  select coalesce(
    (select j.run_at from s3_connector_private.jobs() j
      where j.waits and j.priority = 0 and j.run_at <= now() order by j.run_at limit 1),
    now()
  );
$$;
comment on function s3_connector_private.queue_head() is
  'The run_at of the import that is next in the queue; now, where none waits.';

create or replace function s3_connector_private.remove_spent_jobs()
returns void language sql as $$
  -- A job that had begun when it was given a successor may not run again, and would stay in the queue for good.
  delete from s3_connector_queue._private_jobs j
  where j.id = any (array(
    select s.id from s3_connector_queue._private_jobs s
    where s.attempts >= s.max_attempts and s.locked_at is null
    for update skip locked
  ));
$$;
comment on function s3_connector_private.remove_spent_jobs() is
  'Removes jobs that were interrupted and are not to run again. Reads the whole queue, so it is only for the time after a trouble.';

create or replace function s3_connector_private.free_jobs(pool_ids text[], running_jobs bigint[], locked_before timestamptz)
returns bigint language plpgsql as $$
declare
  freed bigint;
begin
  update s3_connector_queue._private_jobs j
  -- A new id: whoever runs it after all will delete the job of the old one when it ends, and not one that is new by then.
  set id = default, locked_at = null, locked_by = null
  where j.id = any (array(
    select h.id from s3_connector_queue._private_jobs h
    where h.locked_by = any (pool_ids) and h.id <> all (running_jobs) and h.locked_at < locked_before
    -- A person's open transaction may hold some, for as long as it likes.
    for update skip locked
  ));
  get diagnostics freed = row_count;
  perform s3_connector_private.remove_spent_jobs();
  return freed;
end;
$$;
comment on function s3_connector_private.free_jobs(text[], bigint[], timestamptz) is
  'Frees the jobs that these pools of graphile-worker have held since before a time, except running_jobs and those that another transaction has locked; returns how many.';

create or replace function s3_connector_private.free_lost_jobs(pool_ids text[], running_jobs bigint[])
returns bigint language sql as $$
  -- A younger one may be in an answer that is on its way.
  select s3_connector_private.free_jobs(pool_ids, running_jobs, now() - interval '3 seconds');
$$;
comment on function s3_connector_private.free_lost_jobs(text[], bigint[]) is
  'Frees jobs that a living worker holds and does not run, because the answer that gave it the job was lost; returns how many.';

create or replace function s3_connector_private.busy_pools(pool_ids text[])
returns text[] language sql as $$
  select array(select distinct j.locked_by from s3_connector_queue._private_jobs j where j.locked_by = any (pool_ids));
$$;
comment on function s3_connector_private.busy_pools(text[]) is
  'Those of these pools of graphile-worker that hold jobs. Reads the whole queue.';

create or replace function s3_connector_private.remove_old_spent_jobs()
returns bigint language sql as $$
  -- Given up by the queue for good: a request that nobody could answer.
  with removed as (
    select s3_connector_queue.complete_jobs(array_agg(j.id)) from s3_connector_queue.jobs j
    where j.attempts >= j.max_attempts and j.locked_at is null and j.updated_at < now() - interval '1 day'
    having count(*) > 0
  )
  select count(*) from removed;
$$;
comment on function s3_connector_private.remove_old_spent_jobs() is
  'Removes jobs that the queue gave up more than a day ago; returns how many.';
