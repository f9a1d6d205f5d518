-- "Archived" objects, whose bytes S3 does not send (error code object_archived). Their files are failures, which take no place and no
-- attempt, until the object is restored. Polls look for that with HEAD requests, some files at a time, in turn.

create or replace function s3_connector_private.claim_archived(connector_name text, batch integer default 100)
returns setof text language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  progress s3_connector_private.progress;
  connector s3_connector.connectors;
  places bigint;
  claimed text[];
begin
  select * into connector from s3_connector.connectors c where c.name = claim_archived.connector_name and c.state = 'running' for share;
  if not found or not exists (
    select from s3_connector.files f
    where f.connector_name = connector.name and f.status = 'failure' and f.error_code = 'object_archived'
  ) then
    return;
  end if;
  select * into progress from s3_connector_private.progress p where p.connector_name = connector.name for update;
  -- With the default batch, at most 1,000 HEAD requests an hour.
  places := least(batch, connector.max_tracked_files - s3_connector_private.tracked_files(connector.name));
  if progress.archive_checked_at > now() - interval '6 minutes' or places <= 0 then
    return;
  end if;
  claimed := array(
    select f.key from s3_connector.files f
    where f.connector_name = connector.name and f.status = 'failure' and f.error_code = 'object_archived'
      and f.key > coalesce(progress.archive_position, '')
    order by f.key
    limit places
  );
  -- Null at the end: the next search starts with the first one again.
  update s3_connector_private.progress p
  set archive_position = case when cardinality(claimed) = places then claimed[places] end, archive_checked_at = now()
  where p.connector_name = connector.name;
  return query select unnest(claimed);
end;
$$;
comment on function s3_connector_private.claim_archived(text, integer) is
  'Returns the keys of the next archived objects to look at, as many as there are places, at most batch in 6 minutes. The next call continues after them.';

create or replace function s3_connector_private.queue_restored(connector_name text, keys text[])
returns bigint language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  connector s3_connector.connectors;
  restored bigint[];
begin
  select * into connector from s3_connector.connectors c where c.name = queue_restored.connector_name for share;
  restored := array(
    select f.id from s3_connector.files f
    where f.connector_name = connector.name and f.key = any (keys) and f.status = 'failure' and f.error_code = 'object_archived'
    order by f.key for update
  );
  perform s3_connector_private.queue_files(connector, restored);
  return cardinality(restored);
end;
$$;
comment on function s3_connector_private.queue_restored(text, text[]) is
  'Queues the files of these keys that waited for their objects to be restored. Returns how many.';

comment on column s3_connector_private.progress.archive_position is 'The last archived key that was looked at, to find out whether it is restored. Null: the next search starts with the first one.';
comment on column s3_connector_private.progress.archive_checked_at is 'When archived keys were last looked at.';
