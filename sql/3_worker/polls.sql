-- The database part of a "poll": one look at a bucket, which lists its keys and enqueues new files.

create or replace function s3_connector_private.enqueue_due_polls()
returns bigint language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  due text[];
begin
  select coalesce(array_agg(d.name order by d.name), '{}') into due
  from (
    select c.name
    from s3_connector_private.progress p
    join s3_connector.connectors c on c.name = p.connector_name
    left join s3_connector_private.outages o on o.connector_name = c.name
    where c.state = 'running'
      -- During an outage of the bucket, a backlog waits too.
      and (p.next_poll_at <= now() or case
        when o.since is null then p.backlog or (p.left_young and c.stop_when_caught_up)
        else o.next_try_at <= now()
      end)
      -- A running poll is not queued again.
      and not exists (
        select from s3_connector_private.jobs() j where j.key = s3_connector_private.poll_job_key(c.name) and j.begun
      )
    -- Waiting for a session that changes several connectors could end in a deadlock.
    for update of p skip locked for share of c skip locked
  ) d;
  perform s3_connector_private.queue_polls(due);
  return cardinality(due);
end;
$$;
comment on function s3_connector_private.enqueue_due_polls() is
  'Queues a poll of each running connector that is due by schedule or has a backlog. Returns how many.';

create or replace function s3_connector_private.half_is_free(connector_name text)
returns boolean language sql stable set search_path = pg_catalog, pg_temp as $$
  -- Half the places, not one: to ask for every file would cost too much. Not tracked_files, which would count all of them.
  select coalesce((
    select not exists (
      select from s3_connector.files f
      where f.connector_name = c.name and f.status in ('in_queue', 'running', 'pending_retry', 'paused')
      offset c.max_tracked_files / 2
    )
    from s3_connector.connectors c
    where c.name = half_is_free.connector_name and c.state = 'running'
      and not exists (select from s3_connector_private.outages o where o.connector_name = c.name)
  ), false);
$$;
comment on function s3_connector_private.half_is_free(text) is
  'Returns whether the connector is running, its bucket can be read, and half its places are free.';

create or replace function s3_connector_private.poll_on(connector_name text)
returns void language sql set search_path = pg_catalog, pg_temp as $$
  select s3_connector_private.add_poll_job(p.connector_name)
  from s3_connector_private.progress p
  where p.connector_name = poll_on.connector_name and p.backlog
    and not exists (select from s3_connector_private.upcoming_keys u where u.connector_name = p.connector_name)
    and s3_connector_private.half_is_free(p.connector_name);
$$;
comment on function s3_connector_private.poll_on(text) is
  'Queues a poll if the connector has a backlog and places for it, and no upcoming keys are left.';

create or replace function s3_connector_private.enqueue_more(connector_name text)
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  connector s3_connector.connectors;
  progress s3_connector_private.progress;
  taken record;
begin
  if not (s3_connector_private.has_more(connector_name) and s3_connector_private.half_is_free(connector_name)) then
    return;
  end if;
  perform s3_connector_private.pause_if_copied();
  select * into connector from s3_connector.connectors c
  where c.name = enqueue_more.connector_name and c.state = 'running' for share;
  if not found then
    return;
  end if;
  select * into progress from s3_connector_private.progress p where p.connector_name = connector.name for update;
  -- Since then, keys may have arrived among the upcoming ones. The marker must not pass them.
  if progress.backlog and progress.last_poll_at < greatest(now() - interval '1 minute', progress.poll_asked_at) then
    perform s3_connector_private.admit_noted(connector.name);
    perform s3_connector_private.add_poll_job(connector.name);
    return;
  end if;
  select * into taken from s3_connector_private.enqueue_upcoming(connector);
  if taken.last_key is not null then
    update s3_connector_private.progress p set marker = taken.last_key where p.connector_name = connector.name;
    update s3_connector.polls q set files_enqueued = q.files_enqueued + taken.enqueued
    where q.id = (
      select l.id from s3_connector.polls l
      where l.connector_name = connector.name and l.error is null order by l.started_at desc limit 1
    );
  end if;
  -- Also while a poll is running: it may have read the progress too early, or fail.
  perform s3_connector_private.poll_on(connector.name);
end;
$$;
comment on function s3_connector_private.enqueue_more(text) is
  'Enqueues upcoming and late keys if half the connector''s places are free. Queues a poll if that used up what the last one had listed, or if that was more than a minute ago or before somebody asked for a poll.';

create or replace function s3_connector_private.commit_poll(
  connector_name text,
  expected_marker text,
  expected_scan_position text,
  objects jsonb,
  new_scan_position text,
  new_backlog boolean,
  new_next_poll_at timestamptz,
  poll_started_at timestamptz,
  new_keys_listed bigint,
  new_keys_matched bigint,
  new_list_requests integer,
  behind jsonb default '[]',
  listed jsonb default null
)
returns bigint language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  connector s3_connector.connectors;
  progress s3_connector_private.progress;
  list_start text;
  enqueued bigint;
begin
  -- In a copy of the database this pauses the connector, so that the poll enqueues nothing.
  perform s3_connector_private.pause_if_copied();
  -- Reads marker and state again under their locks: the listing happened outside this transaction.
  select * into connector from s3_connector.connectors c
  where c.name = commit_poll.connector_name and c.state = 'running' for share;
  if not found then
    return null;
  end if;
  select * into progress from s3_connector_private.progress p
  where p.connector_name = commit_poll.connector_name
    and p.marker is not distinct from expected_marker
    and p.scan_position is not distinct from expected_scan_position
  for update;
  if not found or (
    listed is not null and s3_connector_private.key_rules(connector) is distinct from listed -> 'rules'
  ) then
    -- Another poll finished first, and may have listed before objects arrived that this poll saw.
    perform s3_connector_private.add_poll_job(connector_name);
    return null;
  end if;

  list_start := coalesce(progress.scan_look_behind, s3_connector_private.look_behind_start(connector.name));
  update s3_connector_private.progress p set table_ready = true
  where p.connector_name = connector.name and not p.table_ready and s3_connector_private.table_oid(connector.target_table) is not null;

  delete from s3_connector_private.upcoming_keys u where u.connector_name = connector.name;
  insert into s3_connector_private.upcoming_keys (connector_name, key, etag, size_bytes, last_modified)
  select connector.name, o.key, o.etag, o.size_bytes, o.last_modified
  from jsonb_to_recordset(objects) as o (key text collate "C", etag text, size_bytes bigint, last_modified timestamptz)
  where not exists (select from s3_connector.files f where f.connector_name = connector.name and f.key = o.key);
  if behind <> '[]' then
    perform s3_connector_private.note_keys(connector.name, behind);
  end if;
  select e.enqueued into enqueued from s3_connector_private.enqueue_upcoming(connector) e;

  update s3_connector_private.progress p set
    marker = coalesce(passed.key, p.marker),
    scan_position = new_scan_position,
    look_behind = case when listed is null then p.look_behind else listed ->> 'look_behind' end,
    end_position = case when listed is null then p.end_position else listed ->> 'end_position' end,
    tail_position = case when listed is null then p.tail_position else listed ->> 'tail_position' end,
    arrives_at_end = coalesce((listed ->> 'arrives_at_end')::boolean, p.arrives_at_end),
    tail_walked_at = case when (listed ->> 'tail_walked')::boolean then poll_started_at else p.tail_walked_at end,
    ending = coalesce(nullif(listed -> 'ending', 'null'), p.ending),
    ended_at = case when listed ->> 'ending' is not null then poll_started_at else p.ended_at end,
    left_young = coalesce((listed ->> 'young')::boolean, false),
    scan_start = case when new_scan_position is not null or upcoming.key is not null then coalesce(p.scan_start, p.marker, '') end,
    scan_look_behind = case when new_scan_position is not null or upcoming.key is not null then list_start end,
    backlog = new_backlog or coalesce(p.poll_asked_at > poll_started_at, false) or upcoming.key is not null,
    last_poll_at = poll_started_at,
    next_poll_at = new_next_poll_at
  from (select min(u.key) as key from s3_connector_private.upcoming_keys u where u.connector_name = connector.name) upcoming
  cross join lateral (
    -- Keys that are tracked already are passed, too.
    select max(o.key) as key from jsonb_to_recordset(objects) as o (key text collate "C")
    where upcoming.key is null or o.key < upcoming.key
  ) passed
  where p.connector_name = connector.name;

  insert into s3_connector.polls
    (connector_name, started_at, seconds, keys_listed, keys_matched, files_enqueued, list_requests)
  values
    (connector.name, poll_started_at, extract(epoch from clock_timestamp() - poll_started_at),
     new_keys_listed, new_keys_matched, enqueued, new_list_requests);
  if connector.late_keys = 'import' then
    perform s3_connector_private.recheck_scan(
      connector.name, coalesce(progress.scan_start, progress.marker, ''), list_start
    );
  end if;
  perform s3_connector_private.poll_on(connector.name);
  perform s3_connector_private.stop_if_caught_up(connector.name);
  return enqueued;
end;
$$;
comment on function s3_connector_private.commit_poll(text, text, text, jsonb, text, boolean, timestamptz, timestamptz, bigint, bigint, integer, jsonb, jsonb) is
  'Commits a poll in one transaction: file rows, their jobs, the marker, upcoming and late keys, and the polls row. objects: new ones after the marker; behind: others. Returns how many files were enqueued. Null if the connector was paused meanwhile, or the marker or the connector changed; after a change it queues another poll.';

create or replace function s3_connector_private.fail_poll(
  connector_name text,
  new_next_poll_at timestamptz,
  poll_started_at timestamptz,
  new_list_requests integer,
  new_error_code text,
  new_error text
)
returns void language sql set search_path = pg_catalog, pg_temp as $$
  -- Inserting the polls row locks the connector. The lock order needs that before its progress.
  select from s3_connector.connectors c where c.name = fail_poll.connector_name for key share;
  update s3_connector_private.progress p
  set last_poll_at = coalesce(poll_started_at, now()), next_poll_at = coalesce(new_next_poll_at, p.next_poll_at)
  where p.connector_name = fail_poll.connector_name;
  insert into s3_connector.polls (connector_name, started_at, seconds, list_requests, error_code, error)
  select c.name, coalesce(poll_started_at, now()),
    extract(epoch from clock_timestamp() - coalesce(poll_started_at, now())), new_list_requests, new_error_code, new_error
  from s3_connector.connectors c where c.name = fail_poll.connector_name;
$$;
comment on function s3_connector_private.fail_poll(text, timestamptz, timestamptz, integer, text, text) is
  'Records a failed poll. The marker stays, and the next poll follows the schedule. With null times, for a poll that failed before it read its connector, the connector stays due.';
