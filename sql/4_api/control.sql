-- Functions that control connectors and files: pause, resume, retry and others. Each is one transaction with the jobs that it
-- adds and removes, and is safe to call twice and from several sessions at once. "Lock order": everything locks a connector,
-- then its files, its progress, its queue (lock_queue), its jobs.

create or replace function s3_connector.pause(name text)
returns void language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform s3_connector_private.require_connector(name);
  update s3_connector.connectors c set state = 'paused' where c.name = pause.name and c.state = 'running';
end;
$$;
comment on function s3_connector.pause(text) is
  'Stops polling and removes the waiting files from the queue (status paused). Running imports finish. A draft stays a draft.';

create or replace function s3_connector.resume(name text)
returns void language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  -- In a copy of the database, connectors are first paused, so that this resumes only the named one.
  perform s3_connector_private.pause_if_copied();
  perform s3_connector_private.require_connector(name);
  update s3_connector.connectors c set state = 'running' where c.name = resume.name and c.state <> 'running';
end;
$$;
comment on function s3_connector.resume(text) is
  'Ends a pause: queues the paused files again in key order, and polls the bucket at once. Starts a draft.';

create or replace function s3_connector.poll_now(name text)
returns void language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  connector s3_connector.connectors := s3_connector_private.require_connector(name);
begin
  if connector.state <> 'running' then
    raise exception 'connector % is % and does not poll', quote_literal(connector.name), case connector.state when 'draft' then 'a draft' else connector.state end
      using errcode = 'object_not_in_prerequisite_state', hint = format('%s it: select s3_connector.resume(%L);',
        case connector.state when 'draft' then 'Start' else 'Resume' end, connector.name);
  end if;
  perform s3_connector_private.ask_poll(connector.name);
end;
$$;
comment on function s3_connector.poll_now(text) is 'Polls the bucket now instead of at the scheduled time.';

create or replace function s3_connector.retry(name text)
returns bigint language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  connector s3_connector.connectors := s3_connector_private.require_connector(name);
  failed bigint[] := array(
    select f.id from s3_connector.files f
    where f.connector_name = retry.name and f.status = 'failure' order by f.key for update
  );
begin
  perform s3_connector_private.queue_files(connector, failed);
  return cardinality(failed);
end;
$$;
comment on function s3_connector.retry(text) is
  'Queues every file of the connector in status failure again, with max_attempts new attempts. Returns how many.';

create or replace function s3_connector.retry_file(name text, key text)
returns void language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  connector s3_connector.connectors := s3_connector_private.require_connector(name);
  file s3_connector.files := s3_connector_private.require_file(name, key);
begin
  if file.status = 'success' then
    raise exception 'file % is imported already', quote_literal(file.key)
      using errcode = 'object_not_in_prerequisite_state',
        hint = format('To delete its rows and import it again: select s3_connector.reimport_file(%L, %L);', name, file.key);
  end if;
  -- Waiting and running files stay as they are.
  if file.status in ('failure', 'pending_retry', 'cancelled', 'undone') then
    perform s3_connector_private.queue_files(connector, array[file.id]);
  end if;
end;
$$;
comment on function s3_connector.retry_file(text, text) is
  'Queues one file again that failed, waits for a retry, or was cancelled or undone.';

create or replace function s3_connector.retry_files(name text, keys text[])
returns bigint language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  connector s3_connector.connectors := s3_connector_private.require_connector(name);
  retried bigint[] := array(
    select f.id from s3_connector.files f
    where f.connector_name = retry_files.name and f.key = any (keys)
      and f.status in ('failure', 'pending_retry', 'cancelled', 'undone')
    order by f.key for update
  );
begin
  perform s3_connector_private.queue_files(connector, retried);
  return cardinality(retried);
end;
$$;
comment on function s3_connector.retry_files(text, text[]) is
  'Queues those of these files again that failed, wait for a retry, or were cancelled or undone. Others stay as they are. Returns how many it queued.';

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
        hint = format('To delete its rows: select s3_connector.undo_file(%L, %L);', name, file.key);
  end if;
  if file.status in ('cancelled', 'undone') then
    return;
  end if;
  perform s3_connector_private.cancel(name, array[file.id]);
  if file.replaces is not null then
    raise notice 'the table keeps the % rows of the version of file % that was imported before', file.rows_imported, quote_literal(file.key)
      using hint = format('Delete them: select s3_connector.undo_file(%L, %L); Replace them by the object''s current version: select s3_connector.retry_file(%L, %L);', name, key, name, key);
  end if;
end;
$$;
comment on function s3_connector.cancel_file(text, text) is
  'Removes a file from the queue for good, or stops and rolls back its running import. retry then skips the file; retry_file queues it again. If it was to replace the rows of an earlier version, they stay, with a notice.';

create or replace function s3_connector.cancel_files(name text, keys text[])
returns bigint language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  cancelled bigint[];
begin
  perform s3_connector_private.require_connector(name);
  cancelled := array(
    select f.id from s3_connector.files f
    where f.connector_name = cancel_files.name and f.key = any (keys)
      and f.status in ('in_queue', 'running', 'pending_retry', 'paused', 'failure')
    order by f.key for update
  );
  perform s3_connector_private.cancel(name, cancelled);
  return cardinality(cancelled);
end;
$$;
comment on function s3_connector.cancel_files(text, text[]) is
  'Cancels those of these files that are neither imported, cancelled nor undone, as cancel_file does. Rows of earlier versions stay in the table. Returns how many it cancelled.';

create or replace function s3_connector.set_marker(name text, key text)
returns void language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  connector s3_connector.connectors := s3_connector_private.require_connector(name);
  earlier s3_connector_private.progress;
begin
  select * into earlier from s3_connector_private.progress p where p.connector_name = connector.name for update;
  perform s3_connector_private.allow_marker_back(connector.name);
  update s3_connector_private.progress p set marker = set_marker.key where p.connector_name = connector.name;
  perform s3_connector_private.allow_marker_back(null);
  perform s3_connector_private.forget_listing(connector.name);
  if connector.late_keys = 'import' and set_marker.key > coalesce(earlier.marker, '') collate "C" then
    raise notice 'keys between the earlier marker % and % count as late: late_keys is import, so they are imported when an audit or an event finds them',
      coalesce(quote_literal(earlier.marker), '(none)'), quote_literal(set_marker.key)
      using hint = format('To leave them out: select s3_connector.pause(%1$L); update s3_connector.connectors set start_after = %2$L where name = %1$L; select s3_connector.resume(%1$L);', connector.name, set_marker.key);
  end if;
  if connector.state = 'running' then
    perform s3_connector_private.add_poll_job(connector.name);
  end if;
end;
$$;
comment on function s3_connector.set_marker(text, text) is
  'Sets the marker: polls list keys after this one (null: from the start). Keys that are tracked already are not imported again.';

create or replace function s3_connector.drop_connector(name text)
returns void language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform s3_connector_private.require_connector(name);
  delete from s3_connector.connectors c where c.name = drop_connector.name;
end;
$$;
comment on function s3_connector.drop_connector(text) is
  'Deletes a paused connector, or a draft, with its jobs, files and history. An import that is still running is rolled back; rows that were imported before stay in the table.';
