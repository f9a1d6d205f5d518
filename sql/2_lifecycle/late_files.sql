-- "Late" keys, which arrived behind the marker, and "overwritten" ones, whose object was replaced after its import: polls, events and
-- audits note them here, and import_late and late_keys = 'import' admit them.

create or replace function s3_connector_private.is_overwritten(file s3_connector.files, etag text)
returns boolean language sql immutable parallel safe
-- A file that waits is imported as it is then. A running import may have fetched the earlier version. A file that failed has rows of
-- an earlier version if it replaces them.
return (file).etag <> etag and ((file).status in ('success', 'running') or (file).status = 'failure' and (file).replaces is not null);
comment on function s3_connector_private.is_overwritten(s3_connector.files, text) is
  'Returns whether an object with this ETag is another version than the one that the file has imported, or may be importing.';

create or replace function s3_connector_private.is_old_enough(connector s3_connector.connectors, last_modified timestamptz)
returns boolean language sql stable parallel safe
-- Without a min_object_age also a time in the future is: the clocks of S3 and of this server differ.
return (connector).min_object_age <= '0' or last_modified <= now() - (connector).min_object_age;
comment on function s3_connector_private.is_old_enough(s3_connector.connectors, timestamptz) is
  'Returns whether an object that was written then is not too young to be imported.';

create or replace function s3_connector_private.note_keys(connector_name text, objects jsonb, by_audit bigint default null)
returns bigint language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  noted bigint;
begin
  with seen as (
    select c.on_overwrite, o.key, o.etag, o.size_bytes, o.last_modified, f.id is null as is_late,
      s3_connector_private.is_overwritten(f, o.etag) as is_overwritten
    from s3_connector.connectors c
    cross join jsonb_to_recordset(objects) as o (key text collate "C", etag text, size_bytes bigint, last_modified timestamptz)
    left join s3_connector.files f on f.connector_name = c.name and f.key = o.key
    where c.name = note_keys.connector_name and (c.start_after is null or o.key > c.start_after)
  ),
  written as (
    insert into s3_connector.late_files as l (connector_name, key, etag, size_bytes, last_modified, reason)
    select note_keys.connector_name, s.key, s.etag, s.size_bytes, s.last_modified, case when s.is_late then 'late' else 'overwritten' end
    from seen s
    where s.is_late or (s.is_overwritten and s.on_overwrite <> 'ignore' and s.etag <> '')
    -- Events may come for a key twice, and two sessions may note the same keys.
    order by s.key
    on conflict on constraint late_files_pkey do update
      set etag = excluded.etag, size_bytes = excluded.size_bytes, last_modified = excluded.last_modified, reason = excluded.reason,
        found_at = case when (l.etag, l.reason) = (excluded.etag, excluded.reason) then l.found_at else excluded.found_at end,
        seen_at = excluded.seen_at
      where (l.etag, l.reason) <> (excluded.etag, excluded.reason)
        -- An audit that did not see a key removes it, unless somebody else has seen it since.
        or exists (
          select from s3_connector.audits a
          where a.connector_name = l.connector_name and a.finished_at is null and a.id is distinct from by_audit
        )
    returning 1
  )
  select count(*) into noted from written;
  -- What was imported or replaced since it was noted.
  delete from s3_connector.late_files l
  using jsonb_to_recordset(objects) as o (key text collate "C", etag text), s3_connector.files f
  where l.connector_name = note_keys.connector_name and l.key = o.key
    and f.connector_name = l.connector_name and f.key = l.key and not s3_connector_private.is_overwritten(f, o.etag);
  return noted;
end;
$$;
comment on function s3_connector_private.note_keys(text, jsonb, bigint) is
  'Compares objects behind the marker with the files: notes in late_files those that were never tracked, or are not the version that was imported, and removes those that are right. by_audit: the audit that has seen them. Returns how many it noted.';

create or replace function s3_connector_private.admit_noted(connector_name text)
returns bigint language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  connector s3_connector.connectors;
  late jsonb;
  admitted bigint := 0;
  overwritten bigint[];
begin
  select * into connector from s3_connector.connectors c where c.name = admit_noted.connector_name for share;
  if connector.state is distinct from 'running' then
    return 0;
  end if;
  if connector.late_keys = 'import' then
    with taken as (
      delete from s3_connector.late_files l
      where l.connector_name = connector.name and l.key in (
        select n.key from s3_connector.late_files n
        where n.connector_name = connector.name and n.reason = 'late' and s3_connector_private.is_old_enough(connector, n.last_modified)
        order by n.key
        limit s3_connector_private.free_places(connector)
        for update skip locked
      )
      returning l.key, l.etag, l.size_bytes, l.last_modified
    )
    select jsonb_agg(t) into late from taken t;
    admitted := s3_connector_private.add_files(connector, late);
  end if;
  if connector.on_overwrite = 'reimport' then
    overwritten := array(
      select f.id
      from s3_connector.late_files l
      join s3_connector.files f on f.connector_name = l.connector_name and f.key = l.key
      where l.connector_name = connector.name and s3_connector_private.is_old_enough(connector, l.last_modified)
        and s3_connector_private.is_replaceable(f, l)
      order by f.key
      limit s3_connector_private.free_places(connector)
      -- An import that ends locks its file first, and then what is noted about it. When it has ended, a poll admits the key.
      for update of f skip locked
    );
    perform s3_connector_private.replace_files(connector, overwritten);
  end if;
  return admitted + coalesce(cardinality(overwritten), 0);
end;
$$;
comment on function s3_connector_private.admit_noted(text) is
  'Queues what is noted in late_files, in key order and as many keys as there are places: late keys, if the connector imports them, and overwritten ones, if it imports them again. Returns how many.';

create or replace function s3_connector_private.admit_late(name text, pattern text)
returns bigint language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  connector s3_connector.connectors := s3_connector_private.require_connector(name);
  regex text := s3_connector_private.glob_regex(pattern);
  late jsonb;
begin
  with taken as (
    delete from s3_connector.late_files l
    where l.connector_name = connector.name and l.reason = 'late' and l.key ~ regex
    returning l.key, l.etag, l.size_bytes, l.last_modified
  )
  select jsonb_agg(t) into late from taken t;
  perform s3_connector_private.warn_of_order(connector, array(select l ->> 'key' from jsonb_array_elements(late) l));
  return s3_connector_private.add_files(connector, late);
end;
$$;
comment on function s3_connector_private.admit_late(text, text) is
  'Adds matching late keys to files and queues them (status paused if the connector is). Returns how many are new.';
