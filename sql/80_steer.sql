-- What people call. Each function is one transaction with the jobs that it adds and removes, and is safe to
-- call twice and from several sessions at once: everybody locks a connector, then its files, its progress, its queue
-- (lock_queue), its jobs, in this order.

create or replace function s3_connector.pause(name text)
returns void language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform s3_connector_private.require_connector(name);
  update s3_connector.connectors c set state = 'paused' where c.name = pause.name and c.state <> 'paused';
end;
$$;
comment on function s3_connector.pause(text) is
  'Stops polling and takes the waiting files out of the queue (status paused); files that are being imported finish.';

create or replace function s3_connector.resume(name text)
returns void language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  -- In a copy of the database, what was running there is paused before it can be resumed here.
  perform s3_connector_private.pause_if_copied();
  perform s3_connector_private.require_connector(name);
  update s3_connector.connectors c set state = 'running' where c.name = resume.name and c.state <> 'running';
end;
$$;
comment on function s3_connector.resume(text) is
  'Goes on after a pause: the paused files are queued again in key order, and the bucket is polled at once.';

create or replace function s3_connector.poll_now(name text)
returns void language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  connector s3_connector.connectors := s3_connector_private.require_connector(name);
begin
  if connector.state = 'paused' then
    raise exception 'connector % is paused and does not poll', quote_literal(connector.name)
      using errcode = 'object_not_in_prerequisite_state', hint = format('select s3_connector.resume(%L);', connector.name);
  end if;
  perform s3_connector_private.ask_poll(connector.name);
end;
$$;
comment on function s3_connector.poll_now(text) is 'Looks at the bucket now instead of at the scheduled time.';

create or replace function s3_connector.retry(name text)
returns bigint language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform s3_connector_private.require_connector(name);
  return s3_connector_private.queue_files(array(
    select f.id from s3_connector.files f
    where f.connector_name = retry.name and f.status = 'failure' order by f.key for update
  ));
end;
$$;
comment on function s3_connector.retry(text) is
  'Queues every file of the connector that is in failure again, with all its attempts; returns how many.';

create or replace function s3_connector.retry_file(name text, key text)
returns void language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  file s3_connector.files;
begin
  perform s3_connector_private.require_connector(name);
  file := s3_connector_private.require_file(name, key);
  if file.status = 'success' then
    raise exception 'file % is imported already', quote_literal(file.key)
      using errcode = 'object_not_in_prerequisite_state',
        hint = format('select s3_connector.reimport_file(%L, %L); takes its rows out and imports it again.', name, file.key);
  end if;
  -- Waiting and running files need no second push.
  if file.status in ('failure', 'pending_retry', 'cancelled', 'undone') then
    perform s3_connector_private.queue_files(array[file.id]);
  end if;
end;
$$;
comment on function s3_connector.retry_file(text, text) is
  'Queues one file again that failed, waits for its next attempt, or was cancelled or undone.';

create or replace function s3_connector.cancel_file(name text, key text)
returns void language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  file s3_connector.files;
begin
  perform s3_connector_private.require_connector(name);
  file := s3_connector_private.require_file(name, key);
  if file.status = 'success' then
    raise exception 'file % is imported already and cannot be cancelled', quote_literal(file.key)
      using errcode = 'object_not_in_prerequisite_state',
        hint = format('select s3_connector.undo_file(%L, %L); takes its rows out again.', name, file.key);
  end if;
  if file.status in ('cancelled', 'undone') then
    return;
  end if;
  -- A worker that does not hear of it finds at its record step that the attempt is no longer its own, and rolls back.
  perform s3_connector_private.stop_attempt(file.attempt_id);
  update s3_connector.files f
  set status = 'cancelled', worker_id = null, attempt_id = null, next_attempt_at = null where f.id = file.id;
  perform s3_connector_private.remove_import_jobs(name, array[file.id]);
  if s3_connector_private.free_slots(name) is not null then
    perform s3_connector_private.dispatch(name);
  end if;
end;
$$;
comment on function s3_connector.cancel_file(text, text) is
  'Takes a file out of the queue for good, or stops its running import, which rolls back; a failed one is left out of retry. retry_file brings it back.';

create or replace function s3_connector.set_marker(name text, key text)
returns void language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  connector s3_connector.connectors := s3_connector_private.require_connector(name);
begin
  update s3_connector_private.progress p
  set marker = set_marker.key, scan_position = null, backlog = true where p.connector_name = connector.name;
  if connector.state = 'running' then
    perform s3_connector_private.add_poll_job(connector.name);
  end if;
end;
$$;
comment on function s3_connector.set_marker(text, text) is
  'Lists from after this key on (null: from the start). Keys that are tracked already are not imported a second time.';

create or replace function s3_connector.drop_connector(name text)
returns void language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform s3_connector.pause(name);
  delete from s3_connector.connectors c where c.name = drop_connector.name;
end;
$$;
comment on function s3_connector.drop_connector(text) is
  'Deletes the connector with its jobs, files and history; the target table and its rows stay.';
