-- Access to the "queue": graphile-worker's tables, in the schema s3_connector_queue. A "job" is one entry. Another application
-- may run its own graphile-worker, of another version, in this database. Only this file and src/worker/queue.ts use the queue's
-- private parts. This file has functions only: a view, or an argument of one of graphile-worker's types, would depend on its
-- tables and block its migrations.
--
-- Each share of a worker's places takes jobs of its own priorities (src/worker/shares.ts), so that it reads only its part of the
-- index. The lowest number runs first:
--   -30 housekeeping (in the crontab), -20 requests, -10 polls, -1 retries of imports, 0 imports, 10 audits by schedule
--
-- Jobs of a connector (polls, imports, requests, audits) have the flag owner:<its owner>. By it, polls take turns
-- (src/worker/owner_turns.ts), and workers leave other workers' jobs (src/worker/other_owners.ts).

create or replace function s3_connector_private.poll_job_key(connector_name text)
returns text language sql immutable parallel safe return 'poll:' || connector_name;
comment on function s3_connector_private.poll_job_key(text) is 'Returns the job key of a connector''s poll. The queue holds at most one job with it.';

create or replace function s3_connector_private.import_job_key(file_id bigint)
returns text language sql immutable parallel safe return 'import_file:' || file_id;
comment on function s3_connector_private.import_job_key(bigint) is 'Returns the job key of a file''s import. The queue holds at most one job with it.';

create or replace function s3_connector_private.audit_job_key(audit_id bigint)
returns text language sql immutable parallel safe return 'continue_audit:' || audit_id;
comment on function s3_connector_private.audit_job_key(bigint) is 'Returns the job key of a scheduled audit. The queue holds at most one job with it.';

create or replace function s3_connector_private.request_job_key(request_id bigint)
returns text language sql immutable parallel safe return 'request:' || request_id;
comment on function s3_connector_private.request_job_key(bigint) is 'Returns the job key of a request. The queue holds at most one job with it.';

-- A single select without a fixed search_path, so that PostgreSQL inlines it and uses the indexes. All its names are qualified, and it
-- has no operators. A body that is bound when it is created would block migrations of the queue.
create or replace function s3_connector_private.jobs()
returns table (key text, priority smallint, run_at timestamptz, waits boolean, begun boolean) language sql stable as $$
  select j.key, j.priority, j.run_at, j.is_available, j.locked_at is not null from s3_connector_queue._private_jobs j;
$$;
comment on function s3_connector_private.jobs() is
  'Returns the jobs in the queue. waits: not begun, and may run. begun: a worker has taken it. A job with neither was interrupted and has no attempts left.';

create or replace function s3_connector_private.owner_flag(owner name)
returns text language sql immutable parallel safe set search_path = pg_catalog, pg_temp as $$ select 'owner:' || owner $$;
comment on function s3_connector_private.owner_flag(name) is
  'Returns the flag of the jobs of an owner''s connectors. A worker leaves jobs with the flags of other workers'' owners (src/worker/other_owners.ts).';

create or replace function s3_connector_private.queue_polls(
  connector_names text[], run_at timestamptz default now(), keep_earlier boolean default false
)
returns void language sql set search_path = pg_catalog, pg_temp as $$
  select s3_connector_queue.add_jobs(array_agg((
    'poll', json_build_object('connector_name', c.name), null, queue_polls.run_at, 1,
    s3_connector_private.poll_job_key(c.name), -10, array[s3_connector_private.owner_flag(c.owner)]
  )::s3_connector_queue.job_spec order by c.name), job_key_preserve_run_at => keep_earlier)
  from s3_connector.connectors c where c.name = any (connector_names)
  having count(*) > 0;
$$;
comment on function s3_connector_private.queue_polls(text[], timestamptz, boolean) is
  'Queues a poll of each of these connectors, and replaces a waiting one. With keep_earlier, a waiting one keeps its time.';

create or replace function s3_connector_private.remove_poll_job(connector_name text)
returns void language sql set search_path = pg_catalog, pg_temp as $$
  select s3_connector_queue.remove_job(s3_connector_private.poll_job_key(connector_name));
$$;
comment on function s3_connector_private.remove_poll_job(text) is
  'Removes the connector''s poll from the queue. A poll that has begun continues, but does not run again.';

create or replace function s3_connector_private.queue_imports(
  file_ids bigint[], run_at timestamptz[], priority integer default 0
)
returns void language sql set search_path = pg_catalog, pg_temp as $$
  -- The connector counts attempts, not the queue. So the job gets the highest limit, 32,767.
  select s3_connector_queue.add_jobs(array_agg((
    'import_file', json_build_object('file_id', f.id), null, f.run_at, 32767,
    s3_connector_private.import_job_key(f.id), queue_imports.priority, array[s3_connector_private.owner_flag(c.owner)]
  )::s3_connector_queue.job_spec order by f.nr))
  from unnest(file_ids, queue_imports.run_at) with ordinality as f (id, run_at, nr)
  join s3_connector.files x on x.id = f.id
  join s3_connector.connectors c on c.name = x.connector_name
  having count(*) > 0;
$$;
comment on function s3_connector_private.queue_imports(bigint[], timestamptz[], integer) is
  'Queues the imports of files, each with the run_at of the same index, and replaces waiting ones.';

create or replace function s3_connector_private.remove_jobs_of_files(file_ids bigint[])
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  perform s3_connector_queue.remove_job(s3_connector_private.import_job_key(id)) from unnest(file_ids) as id;
end;
$$;
comment on function s3_connector_private.remove_jobs_of_files(bigint[]) is
  'Removes imports from the queue. Imports that have begun continue, but do not run again.';

create or replace function s3_connector_private.take_import_jobs(file_ids bigint[])
returns setof bigint language sql set search_path = pg_catalog, pg_temp as $$
  -- A job that has begun may be about to begin an attempt at its file.
  delete from s3_connector_queue._private_jobs j
  where j.id = any (array(
    select w.id from s3_connector_queue._private_jobs w
    where w.key = any (array(select s3_connector_private.import_job_key(id) from unnest(file_ids) as id))
      and w.is_available and w.run_at <= now()
    for update skip locked
  ))
  returning (j.payload ->> 'file_id')::bigint;
$$;
comment on function s3_connector_private.take_import_jobs(bigint[]) is
  'Removes those jobs of these files from the queue that are due and have not begun. Returns the files whose jobs it removed.';

create or replace function s3_connector_private.queue_request(request_id bigint, run_at timestamptz default now())
returns void language sql set search_path = pg_catalog, pg_temp as $$
  select s3_connector_queue.add_job(
    r.kind, json_build_object('request_id', r.id), run_at => queue_request.run_at, max_attempts => 3, priority => -20,
    job_key => s3_connector_private.request_job_key(r.id),
    flags => array[s3_connector_private.owner_flag(c.owner)]
  )
  from s3_connector_private.requests r join s3_connector.connectors c on c.name = r.connector_name
  where r.id = request_id;
$$;
comment on function s3_connector_private.queue_request(bigint, timestamptz) is 'Queues the job that answers a request, and replaces a waiting one.';

create or replace function s3_connector_private.queue_audit(audit_id bigint, run_at timestamptz default now())
returns void language sql set search_path = pg_catalog, pg_temp as $$
  select s3_connector_queue.add_job(
    'continue_audit', json_build_object('audit_id', a.id), run_at => queue_audit.run_at, max_attempts => 1, priority => 10,
    job_key => s3_connector_private.audit_job_key(a.id),
    flags => array[s3_connector_private.owner_flag(c.owner)]
  )
  from s3_connector.audits a join s3_connector.connectors c on c.name = a.connector_name
  where a.id = audit_id;
$$;
comment on function s3_connector_private.queue_audit(bigint, timestamptz) is
  'Queues the job that continues a scheduled audit, and replaces a waiting one.';

create or replace function s3_connector_private.remove_audit_job(audit_id bigint)
returns void language sql set search_path = pg_catalog, pg_temp as $$
  select s3_connector_queue.remove_job(s3_connector_private.audit_job_key(audit_id));
$$;
comment on function s3_connector_private.remove_audit_job(bigint) is
  'Removes a scheduled audit from the queue. A job that has begun continues, but does not run again.';

create or replace function s3_connector_private.imports_wait()
returns boolean language sql set search_path = pg_catalog, pg_temp as $$
  select exists (
    select from s3_connector_private.jobs() j where j.waits and j.priority = 0 and j.run_at <= now()
  );
$$;
comment on function s3_connector_private.imports_wait() is 'Returns whether any file waits for a worker.';

create or replace function s3_connector_private.queue_head()
returns timestamptz language sql set search_path = pg_catalog, pg_temp as $$
  select coalesce(
    (select j.run_at from s3_connector_private.jobs() j
      where j.waits and j.priority = 0 and j.run_at <= now() order by j.run_at limit 1),
    now()
  );
$$;
comment on function s3_connector_private.queue_head() is
  'Returns the run_at of the next import in the queue; now if none waits.';

create or replace function s3_connector_private.remove_exhausted_jobs(changed_before timestamptz default 'infinity')
returns bigint language sql set search_path = pg_catalog, pg_temp as $$
  -- A job that had begun when another replaced it may not run again, and would stay in the queue forever. So would a request
  -- that no worker could answer.
  with removed as (
    delete from s3_connector_queue._private_jobs j
    where j.id = any (array(
      select s.id from s3_connector_queue._private_jobs s
      where s.attempts >= s.max_attempts and s.locked_at is null and s.updated_at < changed_before
      for update skip locked
    ))
    returning 1
  )
  select count(*) from removed;
$$;
comment on function s3_connector_private.remove_exhausted_jobs(timestamptz) is
  'Removes jobs that do not run and have no attempts left. Reads the whole queue, so call it seldom. Returns how many.';

create or replace function s3_connector_private.free_jobs(pool_ids text[], running_jobs bigint[], locked_before timestamptz)
returns bigint language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  freed bigint;
begin
  update s3_connector_queue._private_jobs j
  -- A new id: if the old worker still finishes the job, it deletes the old id, and not a job that was queued since.
  set id = default, locked_at = null, locked_by = null
  where j.id = any (array(
    select h.id from s3_connector_queue._private_jobs h
    where h.locked_by = any (pool_ids) and h.id <> all (running_jobs) and h.locked_at < locked_before
    -- A person's open transaction may hold some jobs for any time.
    for update skip locked
  ));
  get diagnostics freed = row_count;
  perform s3_connector_private.remove_exhausted_jobs();
  return freed;
end;
$$;
comment on function s3_connector_private.free_jobs(text[], bigint[], timestamptz) is
  'Unlocks the jobs that these pools of graphile-worker have held since before a time. Skips running_jobs, and jobs that another transaction has locked. Returns how many.';

create or replace function s3_connector_private.free_lost_jobs(pool_ids text[], running_jobs bigint[])
returns bigint language sql set search_path = pg_catalog, pg_temp as $$
  -- The answer with a younger job may still be on its way to the worker.
  select s3_connector_private.free_jobs(pool_ids, running_jobs, now() - interval '3 seconds');
$$;
comment on function s3_connector_private.free_lost_jobs(text[], bigint[]) is
  'Unlocks jobs that a live worker holds but does not run, because the answer with the job was lost. Returns how many.';

create or replace function s3_connector_private.orphaned_pools(living_pools text[])
returns text[] language sql set search_path = pg_catalog, pg_temp as $$
  select array(select distinct j.locked_by from s3_connector_queue._private_jobs j where j.locked_by <> all (living_pools));
$$;
comment on function s3_connector_private.orphaned_pools(text[]) is
  'Returns the pools of graphile-worker that hold jobs and are none of these. Reads the whole queue.';

create or replace function s3_connector_private.busy_pools(pool_ids text[])
returns text[] language sql set search_path = pg_catalog, pg_temp as $$
  select array(select distinct j.locked_by from s3_connector_queue._private_jobs j where j.locked_by = any (pool_ids));
$$;
comment on function s3_connector_private.busy_pools(text[]) is
  'Returns which of these pools of graphile-worker hold jobs. Reads the whole queue.';
