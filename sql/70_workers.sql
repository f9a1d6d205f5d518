-- Which workers are alive. A worker holds a session advisory lock for as long as its process and its
-- connection live, so death needs no heartbeat and no clock to be noticed.

create or replace function s3_connector_private.worker_lock_class()
returns integer language sql immutable parallel safe as $$ select 1395868505 $$;
comment on function s3_connector_private.worker_lock_class() is
  'The first key of the workers'' advisory locks; the second is the worker''s id.';

create or replace function s3_connector_private.alive_workers()
returns setof integer language sql stable as $$
  select l.objid::integer from pg_locks l
  where l.locktype = 'advisory' and l.objsubid = 2 and l.granted
    and l.database = (select d.oid from pg_database d where d.datname = current_database())
    and l.classid = s3_connector_private.worker_lock_class()::oid;
$$;
comment on function s3_connector_private.alive_workers() is 'The ids of the workers that hold their lock.';

create or replace function s3_connector_private.register_worker(
  new_host text, new_pid integer, new_version text, new_concurrency integer
)
returns integer language plpgsql as $$
declare
  new_id integer;
begin
  insert into s3_connector_private.workers (host, pid, version, concurrency)
  values (new_host, new_pid, new_version, new_concurrency) returning id into new_id;
  -- Held before the row is seen by anyone: no moment in which the worker looks dead.
  perform pg_advisory_lock(s3_connector_private.worker_lock_class(), new_id);
  return new_id;
end;
$$;
comment on function s3_connector_private.register_worker(text, integer, text, integer) is
  'Adds a worker and takes its lock on the calling session; returns its id.';

create or replace function s3_connector_private.rescue_files()
returns bigint language plpgsql as $$
declare
  dead_pools text[];
  freed_files bigint[];
begin
  with died as (
    update s3_connector_private.workers w set stopped_at = now()
    where w.stopped_at is null and w.id not in (select s3_connector_private.alive_workers())
    returning w.pool_ids
  )
  select array_agg(pool_id) into dead_pools from died, unnest(pool_ids) as pool_id;
  if dead_pools is not null then
    perform graphile_worker.force_unlock_workers(dead_pools);
  end if;

  with freed as (
    update s3_connector.files f
    set status = case
        when f.attempts >= c.max_attempts then 'failure'
        when c.state = 'paused' then 'paused'
        else 'in_queue'
      end::s3_connector.file_status,
      worker_id = null, error_code = 'worker_died',
      error_message = format('the worker ended in the middle of attempt %s; nothing of the attempt was kept', f.attempts)
    from s3_connector.connectors c
    where c.name = f.connector_name and f.status = 'running'
      and f.worker_id not in (select s3_connector_private.alive_workers())
    returning f.id, f.status
  )
  select array_agg(id) filter (where status = 'in_queue') into freed_files from freed;
  perform s3_connector_private.add_import_jobs(freed_files);
  -- Where a job ended without its file just as a slot came free, nobody else would look again.
  perform s3_connector_private.dispatch(c.name) from s3_connector.connectors c
  join s3_connector_private.progress p on p.connector_name = c.name
  where (c.max_parallel_files is not null or not p.table_ready) and c.state = 'running';
  return coalesce(cardinality(freed_files), 0);
end;
$$;
comment on function s3_connector_private.rescue_files() is
  'Frees what dead workers held: their jobs are unlocked and their files queued again, or failed once max_attempts is spent. Returns how many are in the queue again.';
