-- Workers, and the files and jobs of those that died. "Alive": the worker holds its session advisory lock. PostgreSQL releases
-- the lock when the connection ends, so no heartbeat and no clock are needed. "Rescue": freeing what a dead worker held.

create or replace function s3_connector_private.alive_workers()
returns setof integer language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select w.id
  from pg_locks l
  join s3_connector_private.workers w on w.lock_key = l.objid::integer
  join pg_stat_activity a on a.pid = l.pid
  where l.locktype = 'advisory' and l.objsubid = 2 and l.granted
    and l.database = (select d.oid from pg_database d where d.datname = current_database())
    and l.classid = s3_connector_private.worker_lock_class()::oid
    -- Every role may take an advisory lock. This one may write to our tables anyway.
    and has_table_privilege(a.usesysid, 's3_connector_private.workers', 'update');
$$;
comment on function s3_connector_private.alive_workers() is 'Returns the ids of the workers that are alive.';

create or replace function s3_connector_private.worker_role_notice(import_role name)
returns text language sql stable set search_path = pg_catalog, pg_temp as $$
  select case
    when s.role is not null then format(
      'the login for imports %I %s: code in a target table''s triggers, or in on_import, can use that. Give imports a login that sql/setup/worker_role.sql creates',
      import_role, case s.role when import_role then 'is a superuser' else format('may become the superuser %I', s.role) end)
    when import_role = session_user then format(
      'imports use the worker''s own login %I: code in a target table''s triggers, or in on_import, can reset its role to that login. It can then change all that the connector knows, and act as any owner. Create a second login with sql/setup/worker_role.sql, and name it in IMPORT_DATABASE_URL',
      import_role)
  end
  from (
    -- A superuser may become any role.
    select case when (select r.rolsuper from pg_roles r where r.rolname = import_role) then import_role
      else (select min(r.rolname) from pg_roles r where r.rolsuper and pg_has_role(import_role, r.oid, 'member')) end as role
  ) s;
$$;
comment on function s3_connector_private.worker_role_notice(name) is
  'Returns why the login of imports is unsafe, in the session of its worker; null if it is safe.';

create or replace function s3_connector_private.register_worker(
  new_host text, new_pid integer, new_version text, new_concurrency integer, new_import_role name, new_external_id text
)
returns integer language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  new_id integer;
  new_lock_key integer;
begin
  loop
    -- Random, so that nobody can take the lock first.
    new_lock_key := floor(random() * 2147483647);
    exit when pg_try_advisory_lock(s3_connector_private.worker_lock_class(), new_lock_key);
  end loop;
  -- The row becomes visible after the lock is taken, so the worker never looks dead.
  insert into s3_connector_private.workers (host, pid, version, concurrency, role, import_role, external_id, notice, lock_key)
  values (new_host, new_pid, new_version, new_concurrency, session_user, new_import_role, new_external_id,
    s3_connector_private.worker_role_notice(new_import_role), new_lock_key)
  returning id into new_id;
  return new_id;
end;
$$;
comment on function s3_connector_private.register_worker(text, integer, text, integer, name, text) is
  'Adds a worker and takes its lock in the calling session. Returns its id.';

create or replace function s3_connector_private.free_dead_workers()
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  dead_workers integer[] := array(
    select w.id from s3_connector_private.workers w
    where w.stopped_at is null and w.id not in (select s3_connector_private.alive_workers())
  );
  dead_pools text[];
begin
  if dead_workers = '{}' then
    return;
  end if;
  -- A worker that only lost its session continues its jobs. It has registered again, under another id.
  select array(
    select unnest(w.pool_ids) from s3_connector_private.workers w where w.id = any (dead_workers)
    except
    select unnest(w.pool_ids) from s3_connector_private.workers w where w.id in (select s3_connector_private.alive_workers())
  ) into dead_pools;
  perform s3_connector_private.free_jobs(dead_pools, '{}', 'infinity');
  -- A later call frees a job that another transaction has locked. Until then its worker is not marked as stopped.
  dead_pools := s3_connector_private.busy_pools(dead_pools);
  update s3_connector_private.workers w set stopped_at = now()
  where w.id = any (dead_workers) and w.stopped_at is null and not w.pool_ids && dead_pools;
end;
$$;
comment on function s3_connector_private.free_dead_workers() is
  'Unlocks the jobs of dead workers, and marks the workers as stopped.';

create or replace function s3_connector_private.free_orphaned_jobs()
returns void language sql set search_path = pg_catalog, pg_temp as $$
  select s3_connector_private.free_jobs(s3_connector_private.orphaned_pools(array(
    select unnest(w.pool_ids) from s3_connector_private.workers w where w.id in (select s3_connector_private.alive_workers())
  )), '{}', 'infinity');
$$;
comment on function s3_connector_private.free_orphaned_jobs() is
  'Unlocks jobs that no living worker holds. A statement that was on its way when its worker died may lock a job after that worker was marked as stopped.';

create or replace function s3_connector_private.rescue_files()
returns bigint language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  freed_files bigint[];
  freed_connectors text[];
begin
  with stuck as (
    select f.id, f.attempt_id, c.state, c.max_attempts
    from s3_connector.files f
    join s3_connector.connectors c on c.name = f.connector_name
    where f.status = 'running' and f.worker_id not in (select s3_connector_private.alive_workers())
    -- A later call frees a file that another session has locked. Waiting for it could end in a deadlock.
    for update of f skip locked for share of c skip locked
  ), freed as (
    update s3_connector.files f
    set status = case
        when f.attempts >= s.max_attempts then 'failure'
        when s.state = 'paused' then 'paused'
        else 'in_queue'
      end::s3_connector.file_status,
      worker_id = null, attempt_id = null, error_code = 'worker_died',
      error_message = format('the worker ended in the middle of attempt %s; nothing of the attempt was kept', f.attempts)
    from stuck s
    where f.id = s.id
    -- A worker that lost its session, but still runs, stops the attempt at once.
    returning f.id, f.connector_name, f.status, s3_connector_private.stop_attempt(s.attempt_id)
  )
  select array_agg(id) filter (where status = 'in_queue'), array_agg(distinct connector_name)
  into freed_files, freed_connectors from freed;

  perform s3_connector_private.free_dead_workers();
  perform s3_connector_private.add_import_jobs(array(
    select f.id from s3_connector.files f
    where f.id = any (freed_files) and s3_connector_private.free_slots(f.connector_name) is null
  ));
  -- If another transaction holds the connector's queue lock, wake_connectors dispatches later.
  perform s3_connector_private.dispatch(c.name) from unnest(freed_connectors) as c (name)
  where s3_connector_private.free_slots(c.name) is not null and s3_connector_private.try_lock_queue(c.name);
  return coalesce(cardinality(freed_files), 0);
end;
$$;
comment on function s3_connector_private.rescue_files() is
  'Frees the files and jobs of dead workers, without waiting for other transactions. Files are queued again, or fail after max_attempts. Returns how many are queued again.';

create or replace function s3_connector_private.wake_connectors()
returns void language sql set search_path = pg_catalog, pg_temp as $$
  select s3_connector_private.dispatch(stalled.name)
  from (
    select c.name
    from s3_connector.connectors c
    join s3_connector_private.progress p on p.connector_name = c.name
    cross join lateral (
      select f.id, f.key from s3_connector.files f where f.connector_name = c.name and f.status = 'in_queue' order by f.key limit 1
    ) first_file
    -- Without a limit every file has its own job, which a worker may have taken but not begun.
    cross join lateral (select s3_connector_private.running_limit(c, p.table_ready) is null as unlimited) queue
    where c.state = 'running'
      and not exists (
        select from s3_connector_private.outages o where o.connector_name = c.name and o.imports_wait
      )
      and (queue.unlimited
        or not exists (select from s3_connector.files f where f.connector_name = c.name and f.status = 'running'))
      and not exists (
        select from s3_connector_private.jobs() j
        where j.key = s3_connector_private.import_job_key(first_file.id) and (j.waits or queue.unlimited)
      )
      and coalesce(first_file.key < s3_connector_private.blocking_key(c.name), true)
  ) stalled
  where s3_connector_private.try_lock_queue(stalled.name);
$$;
comment on function s3_connector_private.wake_connectors() is
  'Queues jobs for connectors whose first waiting file has no job, unless it waits for another file to end or for the bucket. A safeguard, for example after somebody deleted jobs.';
