-- Effects of inserting, pausing, resuming, changing or deleting a connector. The jobs change in the same transaction.
-- "Slot": room for one more running import under max_parallel_files.

create or replace function s3_connector_private.add_poll_job(connector_name text, run_at timestamptz default now())
returns void language sql set search_path = pg_catalog, pg_temp as $$
  select s3_connector_private.queue_polls(array[connector_name], run_at);
$$;
comment on function s3_connector_private.add_poll_job(text, timestamptz) is
  'Queues a poll of the connector, for now or a later time. A poll that is already queued moves to that time.';

create or replace function s3_connector_private.mark_poll_pending(connector_name text)
returns void language sql set search_path = pg_catalog, pg_temp as $$
  update s3_connector_private.progress p set backlog = true, poll_asked_at = clock_timestamp()
  where p.connector_name = mark_poll_pending.connector_name;
$$;
comment on function s3_connector_private.mark_poll_pending(text) is
  'Records that somebody asked for a poll. Until a poll that began later finishes, the connector does not count as caught up.';

create or replace function s3_connector_private.ask_poll(connector_name text)
returns void language sql set search_path = pg_catalog, pg_temp as $$
  select s3_connector_private.mark_poll_pending(connector_name);
  select s3_connector_private.add_poll_job(connector_name);
$$;
comment on function s3_connector_private.ask_poll(text) is 'Queues a poll that a person asked for.';

create or replace function s3_connector_private.running_limit(c s3_connector.connectors, table_ready boolean)
returns integer language sql immutable parallel safe
-- Until the table exists, files run one at a time, so that the first in key order creates it. Files that change rows always do.
return case when table_ready and (c).change_column is null then (c).max_parallel_files else 1 end;
comment on function s3_connector_private.running_limit(s3_connector.connectors, boolean) is
  'Returns how many files of a connector may run at the same time; null if only the workers set a limit.';

create or replace function s3_connector_private.free_slots(connector_name text)
returns bigint language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  slots integer;
begin
  select s3_connector_private.running_limit(c, p.table_ready) into slots
  from s3_connector.connectors c
  join s3_connector_private.progress p on p.connector_name = c.name
  where c.name = free_slots.connector_name;
  if slots is null then
    return null;
  end if;
  return slots - (
    select count(*) from s3_connector.files f
    where f.connector_name = free_slots.connector_name and f.status = 'running'
  );
end;
$$;
comment on function s3_connector_private.free_slots(text) is
  'Returns how many more files of the connector may run now; null if only the workers set a limit.';

create or replace function s3_connector_private.table_oid(target_table text)
returns oid language sql stable set search_path = pg_catalog, pg_temp as $$
  select s3_connector_import.relation_oid(part[1], part[2]) from s3_connector_import.table_parts(target_table) as part;
$$;
comment on function s3_connector_private.table_oid(text) is 'Returns the oid of a connector''s target table; null if there is none.';

create or replace function s3_connector_private.lock_queue(connector_name text)
returns void language sql set search_path = pg_catalog, pg_temp as $$
  -- Lock order: connector, files, progress, this lock, jobs.
  select from s3_connector_private.queue_locks l where l.connector_name = lock_queue.connector_name for update;
$$;
comment on function s3_connector_private.lock_queue(text) is
  'Takes the lock on the connector''s jobs until the end of the transaction. Only its holder may look for a free slot or move several jobs.';

create or replace function s3_connector_private.try_lock_queue(connector_name text)
returns boolean language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  perform from s3_connector_private.queue_locks l
  where l.connector_name = try_lock_queue.connector_name for update skip locked;
  return found;
end;
$$;
comment on function s3_connector_private.try_lock_queue(text) is
  'Takes the lock of lock_queue without waiting. Returns false if another transaction holds it.';

create or replace function s3_connector_private.lock_queue_soon(connector_name text)
returns boolean language plpgsql set lock_timeout = '100ms' set search_path = pg_catalog, pg_temp as $$
begin
  perform s3_connector_private.lock_queue(connector_name);
  return true;
exception
  when lock_not_available then
    return false;
end;
$$;
comment on function s3_connector_private.lock_queue_soon(text) is
  'Takes the lock of lock_queue. Returns false if another transaction holds it for a tenth of a second.';

create or replace function s3_connector_private.queue_place(connector_name text, key text)
returns timestamptz language sql set search_path = pg_catalog, pg_temp as $$
  select greatest(s3_connector_private.queue_head(), (
    select j.run_at from s3_connector_private.jobs() j
    where j.priority = 0 and j.key = (
      select s3_connector_private.import_job_key(f.id) from s3_connector.files f
      where f.connector_name = queue_place.connector_name and f.status = 'in_queue' and f.key < queue_place.key
      order by f.key desc limit 1
    )
  ));
$$;
comment on function s3_connector_private.queue_place(text, text) is
  'Returns the run_at after which a file is queued: behind its connector''s lower keys, but not behind other connectors'' files.';

create or replace function s3_connector_private.blocking_key(connector_name text)
returns text language sql stable set search_path = pg_catalog, pg_temp as $$
  select case when c.change_column is not null then (
    select min(first_file.key)
    from unnest('{running,pending_retry,paused,failure}'::s3_connector.file_status[]) as s (status)
    cross join lateral (
      select f.key from s3_connector.files f
      where f.connector_name = c.name and f.status = s.status order by f.key limit 1
    ) first_file
  ) end
  from s3_connector.connectors c where c.name = blocking_key.connector_name;
$$;
comment on function s3_connector_private.blocking_key(text) is
  'Returns the first key, of a connector whose files change rows, that must succeed or be cancelled before later ones may run; null: none waits for another. Waiting files themselves do not count.';

create or replace function s3_connector_private.waits_for_earlier(file s3_connector.files)
-- Volatile: it must see what was committed while its caller waited for the lock.
returns boolean language sql volatile set search_path = pg_catalog, pg_temp as $$
  select c.change_column is not null and exists (
    select from s3_connector.files f
    where f.connector_name = (file).connector_name and f.key < (file).key
      and f.status in ('in_queue', 'running', 'pending_retry', 'paused', 'failure')
  )
  from s3_connector.connectors c where c.name = (file).connector_name;
$$;
comment on function s3_connector_private.waits_for_earlier(s3_connector.files) is
  'Returns whether a file must wait because files of its connector change rows, and one with a lower key has not ended, or failed. The caller holds the queue''s lock.';

create or replace function s3_connector_private.warn_of_order(connector s3_connector.connectors, keys text[])
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  early text;
  later text;
begin
  if connector.change_column is null then
    return;
  end if;
  select min(k collate "C") into early from unnest(keys) k;
  select max(f.key) into later from s3_connector.files f
  where f.connector_name = connector.name and f.key > early and f.status in ('success', 'running');
  if later is not null then
    raise notice 'file % is applied after later ones, up to %: its older changes replace their newer ones', quote_literal(early), quote_literal(later)
      using hint = case when connector.sequence_column is null
        then format('To leave it out: select s3_connector.cancel_file(%L, %L);', connector.name, early)
        else format('Rows whose column %s in the table is higher stay as they are. To leave the file out: select s3_connector.cancel_file(%L, %L);',
          connector.sequence_column, connector.name, early) end;
  end if;
end;
$$;
comment on function s3_connector_private.warn_of_order(s3_connector.connectors, text[]) is
  'Gives a notice if files that change rows are queued by a person although files with higher keys are applied already.';

create or replace function s3_connector_private.dispatch(connector_name text)
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  place timestamptz;
  blocker text;
begin
  perform s3_connector_private.lock_queue(connector_name);
  blocker := s3_connector_private.blocking_key(connector_name);
  place := s3_connector_private.queue_head();
  -- A waiting job stays unchanged. A job that has begun does not count, because it may have read its file's status too early.
  -- If it has taken the file after all, the second job does nothing.
  perform s3_connector_private.queue_imports(
    array_agg(f.id order by f.nr), array_agg(place + f.nr * interval '1 microsecond' order by f.nr)
  )
  from (
    select f.id, row_number() over (order by f.key) as nr
    from s3_connector.files f
    where f.connector_name = dispatch.connector_name and f.status = 'in_queue'
      and (blocker is null or f.key < blocker)
    order by f.key
    limit (
      select case when slots is null then null else greatest(slots, 0) end
      from s3_connector_private.free_slots(dispatch.connector_name) slots
    )
  ) f
  where not exists (
    select from s3_connector_private.jobs() j where j.key = s3_connector_private.import_job_key(f.id) and j.waits
  )
  having count(*) > 0;
end;
$$;
comment on function s3_connector_private.dispatch(text) is
  'Queues jobs for the first waiting files of a connector, as many as may run now. Files that have a job keep it.';

create or replace function s3_connector_private.add_import_jobs(file_ids bigint[])
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  limited text[];
begin
  -- graphile-worker's named queues would not do: each look for a job locks all of them, so that other workers find none.
  select coalesce(array_agg(c.connector_name order by c.connector_name), '{}') into limited
  from (select distinct f.connector_name from s3_connector.files f where f.id = any (file_ids)) c
  where s3_connector_private.free_slots(c.connector_name) is not null;

  perform s3_connector_private.queue_imports(
    array_agg(f.id order by f.place, f.nr),
    -- Jobs run in the order of run_at, which is used as a position here. One microsecond apart keeps a connector's files in
    -- key order. Starting at the queue's head, not at now, makes connectors take turns.
    array_agg(f.place + f.nr * interval '1 microsecond' order by f.place, f.nr)
  )
  from (
    select f.id, c.place, row_number() over (partition by f.connector_name order by f.key) as nr
    from (
      select f.connector_name, s3_connector_private.queue_place(f.connector_name, min(f.key)) as place
      from s3_connector.files f
      where f.id = any (file_ids) and f.connector_name <> all (limited) group by 1
    ) c
    join s3_connector.files f on f.id = any (file_ids) and f.connector_name = c.connector_name
  ) f
  having count(*) > 0;
  perform s3_connector_private.dispatch(name) from unnest(limited) as name;
end;
$$;
comment on function s3_connector_private.add_import_jobs(bigint[]) is
  'Queues the imports of files, in key order, within max_parallel_files, and in turn with other connectors.';

create or replace function s3_connector_private.add_retry_job(file_id bigint, run_at timestamptz)
returns void language sql set search_path = pg_catalog, pg_temp as $$
  -- Priority -1 runs before waiting files. start_attempt then gives the retry a position among them.
  select s3_connector_private.queue_imports(array[file_id], array[run_at], -1);
$$;
comment on function s3_connector_private.add_retry_job(bigint, timestamptz) is
  'Queues the next attempt at a file, for a later time.';

create or replace function s3_connector_private.start_connector()
returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  insert into s3_connector_private.progress (connector_name, marker) select c.name, c.start_after from added c;
  insert into s3_connector_private.queue_locks (connector_name) select c.name from added c;
  -- One call for all: within the transaction that adds many jobs, each call reads all of them.
  perform s3_connector_private.queue_polls(array(select c.name from added c where c.state = 'running'));
  return null;
end;
$$;
comment on function s3_connector_private.start_connector() is
  'Gives new connectors their markers and their first polls, in the inserting transaction.';

create or replace trigger start_connector
  after insert on s3_connector.connectors referencing new table as added
  for each statement execute function s3_connector_private.start_connector();

create or replace function s3_connector_private.remove_import_jobs(connector_name text, file_ids bigint[])
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  perform s3_connector_private.lock_queue(connector_name);
  perform s3_connector_private.remove_jobs_of_files(file_ids);
end;
$$;
comment on function s3_connector_private.remove_import_jobs(text, bigint[]) is
  'Removes imports of a connector from the queue. Imports that have begun continue, but do not run again.';

create or replace function s3_connector_private.stop_attempt(attempt_id bigint)
returns void language sql set search_path = pg_catalog, pg_temp as $$
  select pg_notify('s3_connector_cancel', attempt_id::text) where attempt_id is not null;
$$;
comment on function s3_connector_private.stop_attempt(bigint) is
  'Notifies the workers, when the transaction commits, that an attempt no longer owns its file. The worker that runs it stops and rolls back.';

create or replace function s3_connector_private.change_state()
returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  changed bigint[];
begin
  if new.state <> 'running' then
    with paused as (
      update s3_connector.files f set status = 'paused', next_attempt_at = null
      where f.connector_name = new.name and f.status in ('in_queue', 'pending_retry') returning f.id
    )
    select array_agg(id) into changed from paused;
    if changed is not null then
      perform s3_connector_private.remove_import_jobs(new.name, changed);
    end if;
    perform s3_connector_private.remove_poll_job(new.name);
  else
    with queued as (
      update s3_connector.files f set status = 'in_queue', queued_at = now()
      where f.connector_name = new.name and f.status = 'paused' returning f.id
    )
    select array_agg(id) into changed from queued;
    -- Locks the connector's progress, which must be locked before its jobs.
    perform s3_connector_private.mark_poll_pending(new.name);
    perform s3_connector_private.add_import_jobs(changed);
    perform s3_connector_private.add_poll_job(new.name);
  end if;
  return null;
end;
$$;
comment on function s3_connector_private.change_state() is
  'On pause, removes waiting files from the queue; running ones continue. On resume, queues them again in key order.';

create or replace trigger change_state
  after update of state on s3_connector.connectors
  for each row when (old.state is distinct from new.state)
  execute function s3_connector_private.change_state();

create or replace function s3_connector_private.remove_connector_jobs()
returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  file_ids bigint[];
begin
  perform s3_connector_private.stop_attempt(f.attempt_id) from s3_connector.files f
  where f.connector_name = old.name and f.status = 'running';
  -- Files are locked before the queue, as by an import that ends.
  file_ids := array(
    select f.id from s3_connector.files f
    where f.connector_name = old.name and f.status in ('in_queue', 'running', 'pending_retry', 'paused')
    order by f.key for update
  );
  perform s3_connector_private.remove_import_jobs(old.name, file_ids);
  perform s3_connector_private.remove_poll_job(old.name);
  return old;
end;
$$;
comment on function s3_connector_private.remove_connector_jobs() is
  'Removes a deleted connector''s jobs from the queue, and stops its running imports.';

create or replace trigger remove_jobs
  before delete on s3_connector.connectors
  for each row execute function s3_connector_private.remove_connector_jobs();

create or replace function s3_connector_private.set_notice(connector_name text, new_notice text)
returns void language sql set search_path = pg_catalog, pg_temp as $$
  update s3_connector_private.progress p set notice = new_notice
  where p.connector_name = set_notice.connector_name and p.notice is distinct from new_notice;
$$;
comment on function s3_connector_private.set_notice(text, text) is 'Sets the notice that connector_status shows.';
