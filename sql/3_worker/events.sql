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

create or replace function s3_connector_private.take_events(connector_name text, events jsonb)
returns setof text language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  connector s3_connector.connectors;
  restored text[] := array(
    select e.key from jsonb_to_recordset(events) as e (key text, is_new boolean) where not e.is_new
  );
  marker text;
begin
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
  select p.marker into marker from s3_connector_private.progress p where p.connector_name = connector.name for update;
  perform s3_connector_private.queue_restored(connector.name, restored);
  if exists (
    select from jsonb_to_recordset(events) as e (key text collate "C", is_new boolean)
    where not e.is_new or marker is null or e.key > marker
  ) then
    perform s3_connector_private.poll_soon(array[connector.name]);
  end if;
  return query
    select distinct e.key
    from jsonb_to_recordset(events) as e (key text collate "C", is_new boolean, etag text)
    left join s3_connector.files f on f.connector_name = connector.name and f.key = e.key
    where e.is_new and e.key <= marker and (connector.start_after is null or e.key > connector.start_after)
      and case when f.id is null then true
        else connector.on_overwrite <> 'ignore' and s3_connector_private.is_overwritten(f, coalesce(e.etag, '')) end;
end;
$$;
comment on function s3_connector_private.take_events(text, jsonb) is
  'Queues a poll if one of these events is about a key ahead of the marker, or not about a new object. Returns the keys behind the marker that were never tracked, or are another version than the one imported, as far as the events say.';

create or replace function s3_connector_private.note_events(connector_name text, objects jsonb)
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  -- The lock order needs the connector and its progress before files.
  perform from s3_connector.connectors c where c.name = note_events.connector_name for share;
  if not found then
    return;
  end if;
  perform from s3_connector_private.progress p where p.connector_name = note_events.connector_name for update;
  perform s3_connector_private.note_keys(connector_name, objects);
  perform s3_connector_private.admit_noted(connector_name);
  -- Its file may be locked by an import that is ending, which has looked for notes already.
  perform s3_connector_private.poll_soon(array[c.name])
  from s3_connector.connectors c
  where c.name = note_events.connector_name and c.on_overwrite = 'reimport' and exists (
    select from jsonb_to_recordset(objects) as o (key text collate "C")
    join s3_connector.late_files l on l.connector_name = c.name and l.key = o.key and l.reason = 'overwritten'
    join s3_connector.files f on f.connector_name = c.name and f.key = o.key
      and coalesce(f.replaces, f.lineage) is not null
  );
end;
$$;
comment on function s3_connector_private.note_events(text, jsonb) is
  'Notes objects behind the marker that events were about, as they are now, and admits them as the connector says.';
