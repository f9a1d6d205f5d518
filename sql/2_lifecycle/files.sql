-- Changes of a file's status: each is a row of file_history and a notification on the channel s3_connector. The triggers for both
-- are for statements, because one may change thousands of files. Both write them in key order.

create or replace function s3_connector_private.record_history()
returns trigger language plpgsql security definer
-- The plan is kept. A loop that is best for one file would compare each of thousands with each. The other joins are on, because the
-- caller may have put them off: PostgreSQL would think the plan so costly that it compiles it first, which takes 0.2 s.
set enable_nestloop = off set enable_hashjoin = on set enable_mergejoin = on set jit = off
set search_path = pg_catalog, pg_temp as $$
begin
  if tg_op = 'INSERT' then
    insert into s3_connector_private.file_history (file_id, to_status, at, attempt, message)
    select f.id, f.status, f.status_since, f.attempts, f.error_code || ': ' || f.error_message from added f order by f.id;
  else
    insert into s3_connector_private.file_history (file_id, from_status, to_status, at, seconds, attempt, message)
    select f.id, o.status, f.status, f.status_since, extract(epoch from f.status_since - o.status_since), f.attempts,
      f.error_code || ': ' || f.error_message
    from added f join removed o on o.id = f.id
    -- stamp_status sets it whenever a statement sets the status.
    where f.status_since <> o.status_since
    order by f.connector_name, f.key;
  end if;
  return null;
end;
$$;
comment on function s3_connector_private.record_history() is 'Writes changes of status to file_history, at the end of the statement.';

create or replace function s3_connector_private.stamp_status()
returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  -- Not now(): a status may begin after the start of the transaction that ends it.
  new.status_since := clock_timestamp();
  new.finished_at := case
    when new.status in ('success', 'failure', 'cancelled', 'undone') then new.status_since
  end;
  return new;
end;
$$;
comment on function s3_connector_private.stamp_status() is 'Sets when a file entered its status, and when it ended.';

create or replace trigger stamp_status
  before update of status on s3_connector.files
  for each row execute function s3_connector_private.stamp_status();

create or replace trigger record_new_files
  after insert on s3_connector.files referencing new table as added
  for each statement execute function s3_connector_private.record_history();
create or replace trigger record_history
  after update on s3_connector.files referencing new table as added old table as removed
  for each statement execute function s3_connector_private.record_history();

create or replace function s3_connector_private.status_payload(connector_name text, key text, status s3_connector.file_status)
returns text language sql stable
-- A notification must be shorter than 8,000 bytes. Escaped, the longest name and key take 7,200.
return json_build_object('connector', connector_name, 'key', left(key, 1024), 'status', status)::text;
comment on function s3_connector_private.status_payload(text, text, s3_connector.file_status) is
  'Returns the payload of a notification: {"connector", "key", "status"}.';

create or replace function s3_connector_private.has_room_to_notify()
returns boolean language sql volatile set search_path = pg_catalog, pg_temp as $$
  -- A transaction that notifies cannot commit when the queue is full. An import must not fail because a listener is stuck.
  select pg_notification_queue_usage() < 0.5;
$$;
comment on function s3_connector_private.has_room_to_notify() is
  'Returns whether PostgreSQL''s notification queue is less than half full. It only fills up if a listening session stays in a transaction.';

create or replace function s3_connector_private.announce_new_files()
returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  if s3_connector_private.has_room_to_notify() then
    perform pg_notify('s3_connector', s3_connector_private.status_payload(f.connector_name, f.key, f.status))
    from added f join s3_connector.connectors c on c.name = f.connector_name
    where c.notify
    order by f.id;
  end if;
  return null;
end;
$$;
comment on function s3_connector_private.announce_new_files() is 'Notifies listeners of new files, at the end of the statement.';

create or replace function s3_connector_private.announce_status()
returns trigger language plpgsql security definer
-- As record_history.
set enable_nestloop = off set enable_hashjoin = on set enable_mergejoin = on set jit = off
set search_path = pg_catalog, pg_temp as $$
begin
  if s3_connector_private.has_room_to_notify() then
    perform pg_notify('s3_connector', s3_connector_private.status_payload(f.connector_name, f.key, f.status))
    from added f join removed o on o.id = f.id
    where f.status <> o.status
      -- Not a join: without a nested loop it would read all connectors.
      and (select c.notify from s3_connector.connectors c where c.name = f.connector_name)
    order by f.connector_name, f.key;
  end if;
  return null;
end;
$$;
comment on function s3_connector_private.announce_status() is 'Notifies listeners of changes of status, at the end of the statement.';

create or replace trigger announce_new_files
  after insert on s3_connector.files referencing new table as added
  for each statement execute function s3_connector_private.announce_new_files();

create or replace trigger announce_status
  after update on s3_connector.files referencing new table as added old table as removed
  for each statement execute function s3_connector_private.announce_status();

create or replace function s3_connector_private.tracked_files(connector_name text)
returns bigint language sql stable set search_path = pg_catalog, pg_temp as $$
  select count(*) from s3_connector.files f
  where f.connector_name = tracked_files.connector_name
    and f.status in ('in_queue', 'running', 'pending_retry', 'paused');
$$;
comment on function s3_connector_private.tracked_files(text) is
  'Returns how many files of the connector have not ended. max_tracked_files limits it.';

create or replace function s3_connector_private.queue_files(connector s3_connector.connectors, file_ids bigint[])
returns void language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  if file_ids = '{}' then
    return;
  end if;
  perform s3_connector_private.warn_of_order(connector, array(select f.key from s3_connector.files f where f.id = any (file_ids)));
  update s3_connector.files f
  set status = case connector.state when 'running' then 'in_queue' else 'paused' end::s3_connector.file_status,
    attempts = 0, attempt_id = null, queued_at = now(), next_attempt_at = null,
    error_code = null, error_message = null
  where f.id = any (file_ids);
  -- A retry that was due later is due now.
  perform s3_connector_private.remove_import_jobs(connector.name, file_ids);
  if connector.state = 'running' then
    perform s3_connector_private.add_import_jobs(file_ids);
    perform s3_connector_private.retry_bucket(connector.name);
  end if;
end;
$$;
comment on function s3_connector_private.queue_files(s3_connector.connectors, bigint[]) is
  'Queues files of a connector as if they were new (status paused if it is). The caller has locked both.';

create or replace function s3_connector_private.add_files(connector s3_connector.connectors, objects jsonb)
returns bigint language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  added bigint[];
begin
  with inserted as (
    insert into s3_connector.files (connector_name, key, etag, size_bytes, last_modified, status)
    select connector.name, o.key, o.etag, o.size_bytes, o.last_modified,
      case connector.state when 'running' then 'in_queue' else 'paused' end::s3_connector.file_status
    from jsonb_to_recordset(objects) as o (key text collate "C", etag text, size_bytes bigint, last_modified timestamptz)
    order by o.key
    -- A key may have been tracked since it was noted or listed.
    on conflict do nothing
    returning id
  )
  select array_agg(id) into added from inserted;
  if connector.state = 'running' then
    perform s3_connector_private.add_import_jobs(added);
  end if;
  return coalesce(cardinality(added), 0);
end;
$$;
comment on function s3_connector_private.add_files(s3_connector.connectors, jsonb) is
  'Adds objects to files and queues them (status paused if the connector is), in key order. Keys that are tracked already stay as they are. Returns how many are new.';

create or replace function s3_connector_private.drop_from_queue(connector_name text, file_ids bigint[])
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  perform s3_connector_private.remove_import_jobs(connector_name, file_ids);
  if s3_connector_private.free_slots(connector_name) is not null then
    perform s3_connector_private.dispatch(connector_name);
  end if;
end;
$$;
comment on function s3_connector_private.drop_from_queue(text, bigint[]) is
  'Removes imports of a connector from the queue, and queues the next files if they had slots. The caller has changed their status.';

create or replace function s3_connector_private.cancel(connector_name text, file_ids bigint[])
returns void language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  if file_ids = '{}' then
    return;
  end if;
  -- A worker that misses the notification sees before its commit that it no longer owns the attempt, and rolls back.
  perform s3_connector_private.stop_attempt(f.attempt_id) from s3_connector.files f where f.id = any (file_ids);
  update s3_connector.files f
  set status = 'cancelled', worker_id = null, attempt_id = null, next_attempt_at = null where f.id = any (file_ids);
  perform s3_connector_private.poll_if_idle(connector_name);
  perform s3_connector_private.drop_from_queue(connector_name, file_ids);
end;
$$;
comment on function s3_connector_private.cancel(text, bigint[]) is
  'Cancels files of a connector that have not ended, or failed. The caller has locked both.';
