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
      and (p.next_poll_at <= now() or case when o.since is null then p.backlog else o.next_try_at <= now() end)
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

create or replace function s3_connector_private.refill(connector_name text)
returns void language sql set search_path = pg_catalog, pg_temp as $$
  -- Half the places, not one: a LIST request returns up to 1,000 keys, so one request per file would be a waste.
  select s3_connector_private.add_poll_job(c.name)
  from s3_connector.connectors c
  join s3_connector_private.progress p on p.connector_name = c.name
  where c.name = refill.connector_name and c.state = 'running' and p.backlog
    and not exists (select from s3_connector_private.outages o where o.connector_name = c.name)
    and s3_connector_private.tracked_files(c.name) <= c.max_tracked_files / 2;
$$;
comment on function s3_connector_private.refill(text) is
  'Queues a poll if the connector has a backlog and half its places are free.';

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
  new_list_requests integer
)
returns bigint language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  enqueued bigint[];
begin
  -- In a copy of the database this pauses the connector, so that the poll enqueues nothing.
  perform s3_connector_private.pause_if_copied();
  -- Reads marker and state again under their locks: the listing happened outside this transaction.
  perform from s3_connector.connectors c
  where c.name = commit_poll.connector_name and c.state = 'running' for share;
  if not found then
    return null;
  end if;
  perform from s3_connector_private.progress p
  where p.connector_name = commit_poll.connector_name
    and p.marker is not distinct from expected_marker
    and p.scan_position is not distinct from expected_scan_position
  for update;
  if not found then
    -- Another poll finished first, and may have listed before objects arrived that this poll saw.
    perform s3_connector_private.add_poll_job(connector_name);
    return null;
  end if;

  update s3_connector_private.progress p set table_ready = true
  from s3_connector.connectors c
  where p.connector_name = commit_poll.connector_name and c.name = p.connector_name
    and not p.table_ready and s3_connector_private.table_exists(c.target_table);

  with inserted as (
    insert into s3_connector.files (connector_name, key, etag, size_bytes, last_modified)
    select commit_poll.connector_name, o.key, o.etag, o.size_bytes, o.last_modified
    from jsonb_to_recordset(objects) as o (key text, etag text, size_bytes bigint, last_modified timestamptz)
    order by o.key collate "C"
    on conflict do nothing
    returning id
  )
  select array_agg(id) into enqueued from inserted;
  perform s3_connector_private.add_import_jobs(enqueued);

  update s3_connector_private.progress p set
    marker = coalesce((objects -> -1) ->> 'key', p.marker),
    scan_position = new_scan_position,
    backlog = new_backlog or coalesce(p.poll_asked_at > poll_started_at, false),
    last_poll_at = poll_started_at,
    next_poll_at = new_next_poll_at
  where p.connector_name = commit_poll.connector_name;

  insert into s3_connector.polls
    (connector_name, started_at, seconds, keys_listed, keys_matched, files_enqueued, list_requests)
  values
    (commit_poll.connector_name, poll_started_at, extract(epoch from clock_timestamp() - poll_started_at),
     new_keys_listed, new_keys_matched, coalesce(cardinality(enqueued), 0), new_list_requests);
  perform s3_connector_private.admit_noted(connector_name);
  perform s3_connector_private.stop_if_caught_up(connector_name);
  return coalesce(cardinality(enqueued), 0);
end;
$$;
comment on function s3_connector_private.commit_poll(text, text, text, jsonb, text, boolean, timestamptz, timestamptz, bigint, bigint, integer) is
  'Commits a poll in one transaction: file rows, their jobs, the marker and the polls row. Returns how many files were enqueued. Null if the connector was paused meanwhile, or the marker moved; after a move it queues another poll.';

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
