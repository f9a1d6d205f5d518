-- "Stopping": a connector with stop_when_caught_up pauses itself when a poll finds nothing and no file is left to import. The poll
-- decides, in its own commit. When the last file ends, it queues that poll, so that what arrived meanwhile is imported too.

create or replace function s3_connector_private.is_idle(connector_name text)
returns boolean language sql stable set search_path = pg_catalog, pg_temp as $$
  select not p.backlog and not p.left_young and not s3_connector_private.recheck_waits(c.name)
    and not exists (
      select from s3_connector.files f
      where f.connector_name = c.name and f.status in ('in_queue', 'running', 'pending_retry', 'paused')
    )
    and not exists (select from s3_connector_private.outages o where o.connector_name = c.name)
    and not (c.late_keys = 'import' and exists (
      select from s3_connector.late_files l where l.connector_name = c.name and l.reason = 'late'
    ))
    and not s3_connector_private.noted_keys_wait(c.name)
    -- Its file is queued again once its old rows are deleted.
    and not exists (
      select from s3_connector_private.requests r
      where r.connector_name = c.name and r.kind = 'reimport_file' and r.answered_at is null
    )
  from s3_connector.connectors c join s3_connector_private.progress p on p.connector_name = c.name
  where c.name = is_idle.connector_name and c.state = 'running' and c.stop_when_caught_up;
$$;
comment on function s3_connector_private.is_idle(text) is
  'Returns whether a connector that stops when it has caught up has nothing left: no backlog, no object that is too young, and no file, late key, recheck or request that waits, runs or will be retried. Null for any other connector.';

create or replace function s3_connector_private.poll_if_idle(connector_name text)
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  if not exists (
    select from s3_connector.connectors c
    where c.name = poll_if_idle.connector_name and c.state = 'running' and c.stop_when_caught_up
  ) then
    return;
  end if;
  -- Orders files that end at the same time, and the commits of polls: the later one sees what the earlier one did.
  perform from s3_connector_private.progress p where p.connector_name = poll_if_idle.connector_name for update;
  if s3_connector_private.is_idle(connector_name) then
    perform s3_connector_private.add_poll_job(connector_name);
  end if;
end;
$$;
comment on function s3_connector_private.poll_if_idle(text) is
  'Queues the poll that stops a connector, if the file that just ended was its last one. Locks the connector''s progress, so call it before anything that locks its queue.';

create or replace function s3_connector_private.stop_if_caught_up(connector_name text)
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  connector s3_connector.connectors;
begin
  if s3_connector_private.is_idle(connector_name) is not true then
    return;
  end if;
  -- The caller has a shared lock on this row. Others may have one too, and wait for the caller: waiting for them could end in a
  -- deadlock.
  select * into connector from s3_connector.connectors c
  where c.name = stop_if_caught_up.connector_name for no key update skip locked;
  if not found then
    perform s3_connector_private.add_poll_job(connector_name, now() + interval '1 second');
    return;
  end if;
  update s3_connector.connectors c set state = 'paused' where c.name = connector.name;
  if connector.notify and s3_connector_private.has_room_to_notify() then
    perform pg_notify('s3_connector', json_build_object('connector', connector.name, 'event', 'caught_up')::text);
  end if;
end;
$$;
comment on function s3_connector_private.stop_if_caught_up(text) is
  'Pauses a connector with stop_when_caught_up if nothing is left to import, and notifies listeners: {"connector", "event": "caught_up"}. Called at the end of a poll''s commit, which holds the connector and its progress.';
