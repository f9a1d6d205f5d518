-- "Events": messages of S3 about objects. src/worker/event_queues.ts receives them.

create or replace function s3_connector_private.poll_soon(names text[])
returns void language sql set search_path = pg_catalog, pg_temp as $$
  select s3_connector_private.mark_poll_pending(c.name) from (
    select c.name from s3_connector.connectors c where c.name = any (names) and c.state = 'running' order by c.name
  ) c;
  -- In one second, and further calls do not delay it: one poll finds the objects of all these events.
  select s3_connector_private.queue_polls(
    array(
      select c.name from s3_connector.connectors c
      where c.name = any (names) and c.state = 'running'
        -- During an outage the next poll is already in the queue. It finds the objects of these events too.
        and not exists (select from s3_connector_private.outages o where o.connector_name = c.name)
    ),
    now() + interval '1 second', keep_earlier => true
  );
$$;
comment on function s3_connector_private.poll_soon(text[]) is
  'Queues a poll of each of these connectors that is running. At most one poll a second, for any number of calls.';

create or replace function s3_connector_private.commit_to_disk()
returns void language sql volatile set search_path = pg_catalog, pg_temp as $$
  select set_config('synchronous_commit', 'local', true) where current_setting('synchronous_commit') = 'off';
$$;
comment on function s3_connector_private.commit_to_disk() is
  'Makes the commit of this transaction wait until it and all earlier ones are on disk, also with synchronous_commit = off. For what the worker then deletes elsewhere.';

create or replace function s3_connector_private.take_events(connector_name text, events jsonb)
returns setof text language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  connector s3_connector.connectors;
  restored text[] := array(
    select e.key from jsonb_to_recordset(events) as e (key text, is_new boolean) where not e.is_new
  );
  progress s3_connector_private.progress;
begin
  perform s3_connector_private.commit_to_disk();
  select * into connector from s3_connector.connectors c
  where c.name = take_events.connector_name and c.state = 'running' for share;
  if not found then
    return;
  end if;
  -- The lock order: its files, its progress, its queue.
  perform from s3_connector.files f
  where f.connector_name = connector.name and f.key = any (restored) and f.status = 'failure' and f.error_code = 'object_archived'
  order by f.key for update;
  -- Locked, so that no poll commits a marker beyond these keys until another poll is queued.
  select * into progress from s3_connector_private.progress p where p.connector_name = connector.name for update;
  perform s3_connector_private.queue_restored(connector.name, restored);
  if exists (
    select from jsonb_to_recordset(events) as e (key text collate "C", is_new boolean)
    where not e.is_new or progress.marker is null or e.key > progress.marker
  ) then
    perform s3_connector_private.poll_soon(array[connector.name]);
  end if;
  return query
    select distinct e.key
    from jsonb_to_recordset(events) as e (key text collate "C", is_new boolean, etag text)
    left join s3_connector.files f on f.connector_name = connector.name and f.key = e.key
    where e.is_new and (connector.start_after is null or e.key > connector.start_after)
      -- Where the next poll does not list: behind the marker, behind the position of a scan, and within a long tail.
      and e.key <= greatest(progress.marker, progress.scan_position, progress.end_position)
      and case when f.id is null then not s3_connector_private.is_upcoming(connector.name, e.key)
        else connector.on_overwrite <> 'ignore' and s3_connector_private.is_overwritten(f, coalesce(e.etag, '')) end;
end;
$$;
comment on function s3_connector_private.take_events(text, jsonb) is
  'Queues a poll if one of these events is about a key ahead of the marker, or not about a new object. Returns the keys that the next poll may not list and that were never tracked, or are another version than the one imported, as far as the events say.';

create or replace function s3_connector_private.is_upcoming(connector_name text, key text)
returns boolean language sql stable set search_path = pg_catalog, pg_temp as $$
  select exists (
    select from s3_connector_private.upcoming_keys u
    where u.connector_name = is_upcoming.connector_name and u.key = is_upcoming.key
  );
$$;
comment on function s3_connector_private.is_upcoming(text, text) is 'Returns whether a key is one of the upcoming ones.';

create or replace function s3_connector_private.enqueue_ahead(connector s3_connector.connectors, objects jsonb)
returns boolean language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  places bigint := s3_connector_private.free_places(connector);
  ahead jsonb[] := array(
    select o.object from jsonb_array_elements(objects) as o (object)
    where not s3_connector_private.is_upcoming(connector.name, o.object ->> 'key')
      and not exists (select from s3_connector.files f where f.connector_name = connector.name and f.key = o.object ->> 'key')
      -- A poll lists it when it is old enough.
      and s3_connector_private.is_old_enough(connector, (o.object ->> 'last_modified')::timestamptz)
    order by (o.object ->> 'key') collate "C"
  );
begin
  -- The marker stays: it passes only keys that were listed.
  perform s3_connector_private.add_files(connector, to_jsonb(ahead[:places]));
  return cardinality(ahead) <= places;
end;
$$;
comment on function s3_connector_private.enqueue_ahead(s3_connector.connectors, jsonb) is
  'Enqueues objects ahead of the marker that the next poll may not list, as many as there are places. Returns whether none is left. The caller has locked the connector and its progress.';

create or replace function s3_connector_private.note_events(connector_name text, objects jsonb)
returns boolean language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  connector s3_connector.connectors;
  progress s3_connector_private.progress;
  ahead jsonb;
  behind jsonb;
  is_all boolean;
begin
  perform s3_connector_private.commit_to_disk();
  -- The lock order needs the connector and its progress before files.
  select * into connector from s3_connector.connectors c
  where c.name = note_events.connector_name and c.state = 'running' for share;
  if not found then
    return true;
  end if;
  select * into progress from s3_connector_private.progress p where p.connector_name = connector.name for update;
  select coalesce(jsonb_agg(o.object) filter (where o.is_ahead), '[]'), coalesce(jsonb_agg(o.object) filter (where not o.is_ahead), '[]')
  into ahead, behind
  from (
    select e as object, (progress.marker is null or (e ->> 'key') collate "C" > progress.marker) and not exists (
      select from s3_connector.files f where f.connector_name = connector.name and f.key = e ->> 'key'
    ) as is_ahead
    from jsonb_array_elements(objects) e
  ) o;
  is_all := s3_connector_private.enqueue_ahead(connector, ahead);
  perform s3_connector_private.note_keys(connector.name, behind);
  perform s3_connector_private.admit_noted(connector.name);
  -- Its file may be locked by an import that is ending, which has looked for notes already.
  perform s3_connector_private.poll_soon(array[c.name])
  from s3_connector.connectors c
  where c.name = note_events.connector_name and c.on_overwrite = 'reimport' and exists (
    select from jsonb_to_recordset(objects) as o (key text collate "C")
    join s3_connector.late_files l on l.connector_name = c.name and l.key = o.key and l.reason = 'overwritten'
    join s3_connector.files f on f.connector_name = c.name and f.key = o.key
      and coalesce(f.replaces, f.lineage) is not null
  );
  return is_all;
end;
$$;
comment on function s3_connector_private.note_events(text, jsonb) is
  'Notes objects behind the marker that events were about, as they are now, and admits them as the connector says. Enqueues those ahead of it. Returns false if there were not enough places.';
