-- What follows when a connector is inserted, paused, resumed, changed or deleted: always one transaction
-- with the jobs that it adds and removes.

create or replace function s3_connector_private.poll_job_key(connector_name text)
returns text language sql immutable parallel safe as $$ select 'poll:' || connector_name $$;
comment on function s3_connector_private.poll_job_key(text) is 'The job key of a connector''s poll: never two in the queue.';

create or replace function s3_connector_private.import_job_key(file_id bigint)
returns text language sql immutable parallel safe as $$ select 'import_file:' || file_id $$;
comment on function s3_connector_private.import_job_key(bigint) is 'The job key of a file''s import: never two in the queue.';

create or replace function s3_connector_private.add_poll_job(connector_name text)
returns void language sql as $$
  -- Polls go ahead of imports (lower priority number), so that a long queue does not hold up other connectors.
  select graphile_worker.add_job(
    'poll',
    json_build_object('connector_name', connector_name),
    job_key => s3_connector_private.poll_job_key(connector_name),
    max_attempts => 1,
    priority => -10
  );
$$;
comment on function s3_connector_private.add_poll_job(text) is 'Queues a poll of the connector, now.';

create or replace function s3_connector_private.ask_poll(connector_name text)
returns void language sql as $$
  -- Until the poll has answered, nobody can say that the connector has caught up.
  update s3_connector_private.progress p set backlog = true where p.connector_name = ask_poll.connector_name;
  select s3_connector_private.add_poll_job(connector_name);
$$;
comment on function s3_connector_private.ask_poll(text) is 'Queues a poll that a person asked for.';

create or replace function s3_connector_private.free_slots(connector_name text)
returns bigint language sql as $$
  -- Until the table exists files go one at a time, so that the first in key order makes it.
  select case when p.table_ready then c.max_parallel_files else 1 end - (
    select count(*) from s3_connector.files f where f.connector_name = c.name and f.status = 'running'
  )
  from s3_connector.connectors c
  join s3_connector_private.progress p on p.connector_name = c.name
  where c.name = free_slots.connector_name;
$$;
comment on function s3_connector_private.free_slots(text) is
  'How many more files of the connector may be imported now; null where nothing but the workers sets a limit.';

create or replace function s3_connector_private.table_exists(target_table text)
returns boolean language sql stable as $$
  select exists (
    select from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where array[n.nspname, c.relname]::text[] = s3_connector_private.table_parts(target_table)
  );
$$;
comment on function s3_connector_private.table_exists(text) is 'Whether a connector''s target table is there.';

create or replace function s3_connector_private.dispatch(connector_name text)
returns void language sql as $$
  -- A job that is there already, waiting or about to run, is left as it is.
  select graphile_worker.add_job(
    'import_file',
    json_build_object('file_id', f.id),
    job_key => s3_connector_private.import_job_key(f.id),
    job_key_mode => 'unsafe_dedupe',
    max_attempts => 32767
  )
  from (
    select id from s3_connector.files f
    where f.connector_name = dispatch.connector_name and f.status = 'in_queue'
    order by f.key
    limit (
      select case when slots is null then null else greatest(slots, 0) end
      from s3_connector_private.free_slots(dispatch.connector_name) slots
    )
  ) f;
$$;
comment on function s3_connector_private.dispatch(text) is
  'Gives the first waiting files of a connector a job, as many as may run now; those that have one keep it.';

create or replace function s3_connector_private.add_import_jobs(file_ids bigint[], run_at timestamptz default now())
returns void language sql as $$
  select graphile_worker.add_jobs(array_agg(
    (
      'import_file',
      json_build_object('file_id', f.id),
      null,
      -- Jobs run in the order of run_at: a microsecond apart keeps them in key order.
      add_import_jobs.run_at + f.nr * interval '1 microsecond',
      32767,
      s3_connector_private.import_job_key(f.id),
      0,
      null
    )::graphile_worker.job_spec order by f.nr
  ))
  from (
    select f.id, row_number() over (order by f.connector_name, f.key) as nr
    from s3_connector.files f
    where f.id = any (file_ids)
      and (f.status = 'pending_retry' or s3_connector_private.free_slots(f.connector_name) is null)
  ) f
  having count(*) > 0;
  -- Not by graphile-worker's named queues: whoever looks for a job locks them all, and the others go away idle.
  select s3_connector_private.dispatch(c.name)
  from s3_connector.connectors c
  where c.name in (select f.connector_name from s3_connector.files f where f.id = any (file_ids))
    and s3_connector_private.free_slots(c.name) is not null;
$$;
comment on function s3_connector_private.add_import_jobs(bigint[], timestamptz) is
  'Queues the imports of files, in key order and within max_parallel_files.';

create or replace function s3_connector_private.start_connector()
returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  insert into s3_connector_private.progress (connector_name, marker) values (new.name, new.start_after);
  if new.state = 'running' then
    perform s3_connector_private.add_poll_job(new.name);
  end if;
  return null;
end;
$$;
comment on function s3_connector_private.start_connector() is
  'Gives a new connector its place to start from and its first poll, in the inserting transaction.';

create or replace trigger start_connector
  after insert on s3_connector.connectors
  for each row execute function s3_connector_private.start_connector();

create or replace function s3_connector_private.guard_connector()
returns trigger language plpgsql as $$
declare
  verb text := case tg_op when 'DELETE' then 'delete' else 'change' end;
begin
  if old.state = 'running'
    and (tg_op = 'DELETE' or to_jsonb(new) - 'state' is distinct from to_jsonb(old) - 'state') then
    raise exception 'cannot % connector %, because it is running: pause it first', verb, quote_literal(old.name)
      using errcode = 'object_in_use', hint = format('select s3_connector.pause(%L);', old.name);
  end if;
  return coalesce(new, old);
end;
$$;
comment on function s3_connector_private.guard_connector() is
  'A running connector may only change its state; it is paused before it is changed or deleted.';

create or replace trigger guard_connector
  before update or delete on s3_connector.connectors
  for each row execute function s3_connector_private.guard_connector();

create or replace function s3_connector_private.remove_jobs(connector_name text)
returns void language sql as $$
  select graphile_worker.remove_job(s3_connector_private.import_job_key(f.id))
  from s3_connector.files f
  where f.connector_name = remove_jobs.connector_name and f.status in ('in_queue', 'pending_retry');
  select graphile_worker.remove_job(s3_connector_private.poll_job_key(connector_name));
$$;
comment on function s3_connector_private.remove_jobs(text) is
  'Takes the connector''s poll and its waiting imports out of the queue; what runs goes on.';

create or replace function s3_connector_private.change_state()
returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  queued_files bigint[];
begin
  if new.state = 'paused' then
    perform s3_connector_private.remove_jobs(new.name);
    update s3_connector.files f set status = 'paused', next_attempt_at = null
    where f.connector_name = new.name and f.status in ('in_queue', 'pending_retry');
  else
    with queued as (
      update s3_connector.files f set status = 'in_queue', queued_at = now()
      where f.connector_name = new.name and f.status = 'paused' returning f.id
    )
    select array_agg(id) into queued_files from queued;
    perform s3_connector_private.add_import_jobs(queued_files);
    perform s3_connector_private.ask_poll(new.name);
  end if;
  return null;
end;
$$;
comment on function s3_connector_private.change_state() is
  'Pausing takes waiting files out of the queue and leaves running ones be; resuming puts them back in key order.';

create or replace trigger change_state
  after update of state on s3_connector.connectors
  for each row when (old.state is distinct from new.state)
  execute function s3_connector_private.change_state();

create or replace function s3_connector_private.forget_connector()
returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform s3_connector_private.remove_jobs(old.name);
  return old;
end;
$$;
comment on function s3_connector_private.forget_connector() is 'Takes a deleted connector''s jobs out of the queue.';

create or replace trigger remove_jobs
  before delete on s3_connector.connectors
  for each row execute function s3_connector_private.forget_connector();
