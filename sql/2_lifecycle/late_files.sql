-- "Late" keys, which arrived behind the marker, and "overwritten" ones, whose object was replaced after its import: polls, events and
-- audits note them here, and import_late and late_keys = 'import' admit them.

create or replace function s3_connector_private.note_keys(connector_name text, objects jsonb)
returns bigint language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  noted bigint;
begin
  with seen as (
    select c.on_overwrite, o.key, o.etag, o.size_bytes, o.last_modified, f.id is null as is_late,
      f.status = 'success' and f.etag <> o.etag as is_overwritten
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
      set etag = excluded.etag, size_bytes = excluded.size_bytes, last_modified = excluded.last_modified, reason = excluded.reason
      where (l.etag, l.reason) is distinct from (excluded.etag, excluded.reason)
    returning 1
  )
  select count(*) into noted from written;
  -- What was imported or replaced since it was noted.
  delete from s3_connector.late_files l
  using jsonb_to_recordset(objects) as o (key text collate "C", etag text), s3_connector.files f
  where l.connector_name = note_keys.connector_name and l.key = o.key
    and f.connector_name = l.connector_name and f.key = l.key and not (f.status = 'success' and f.etag <> o.etag);
  return noted;
end;
$$;
comment on function s3_connector_private.note_keys(text, jsonb) is
  'Compares objects behind the marker with the files: notes in late_files those that were never tracked, or are not the version that was imported, and removes those that are right. Returns how many it noted.';

create or replace function s3_connector_private.admit_noted(connector_name text)
returns bigint language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  connector s3_connector.connectors;
  admitted bigint[];
begin
  select * into connector from s3_connector.connectors c where c.name = admit_noted.connector_name for share;
  if connector.late_keys is distinct from 'import' or connector.state <> 'running' then
    return 0;
  end if;
  with late as (
    delete from s3_connector.late_files l
    where l.connector_name = connector.name and l.key in (
      select n.key from s3_connector.late_files n
      where n.connector_name = connector.name and n.reason = 'late'
      order by n.key
      limit greatest(connector.max_tracked_files - s3_connector_private.tracked_files(connector.name), 0)
      for update skip locked
    )
    returning l.key, l.etag, l.size_bytes, l.last_modified
  ),
  inserted as (
    insert into s3_connector.files (connector_name, key, etag, size_bytes, last_modified)
    select connector.name, l.key, l.etag, l.size_bytes, l.last_modified
    from late l order by l.key
    on conflict do nothing
    returning id
  )
  select array_agg(id) into admitted from inserted;
  perform s3_connector_private.add_import_jobs(admitted);
  return coalesce(cardinality(admitted), 0);
end;
$$;
comment on function s3_connector_private.admit_noted(text) is
  'Queues the late keys in late_files, in key order and as many as there are places, if the connector imports late keys. Returns how many.';

create or replace function s3_connector_private.take_overwritten(name text, pattern text)
returns setof text language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  connector s3_connector.connectors := s3_connector_private.require_connector(name);
  regex text := s3_connector_private.glob_regex(pattern);
  left_alone bigint;
begin
  perform from s3_connector.files f
  join s3_connector.late_files l on l.connector_name = f.connector_name and l.key = f.key
  where f.connector_name = connector.name and l.reason = 'overwritten' and l.key ~ regex
  order by f.key for update of f;
  return query
    with taken as (
      delete from s3_connector.late_files l
      using s3_connector.files f
      where l.connector_name = connector.name and l.reason = 'overwritten' and l.key ~ regex
        and f.connector_name = l.connector_name and f.key = l.key
        and (f.lineage is not null or f.status <> 'success')
      returning l.key, f.status = 'success' and f.etag <> l.etag as is_still
    )
    -- A file that was imported or queued again since the audit is only removed from late_files.
    select t.key from taken t where t.is_still order by t.key;
  select count(*) into left_alone from s3_connector.late_files l
  where l.connector_name = connector.name and l.reason = 'overwritten' and l.key ~ regex;
  if left_alone > 0 then
    raise notice '% overwritten files are left as they are: the rows that came from them are not known', left_alone
      using hint = 'Set file_id_column. Only files that were imported with it can be imported again in place of their old rows.';
  end if;
end;
$$;
comment on function s3_connector_private.take_overwritten(text, text) is
  'Removes matching overwritten keys from late_files, if their old rows are known, and returns those to import again.';

create or replace function s3_connector_private.admit_late(name text, pattern text)
returns bigint language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  connector s3_connector.connectors := s3_connector_private.require_connector(name);
  regex text := s3_connector_private.glob_regex(pattern);
  admitted bigint[];
begin
  with late as (
    delete from s3_connector.late_files l
    where l.connector_name = connector.name and l.reason = 'late' and l.key ~ regex
    returning l.key, l.etag, l.size_bytes, l.last_modified
  ),
  inserted as (
    insert into s3_connector.files (connector_name, key, etag, size_bytes, last_modified, status)
    select connector.name, l.key, l.etag, l.size_bytes, l.last_modified,
      case connector.state when 'running' then 'in_queue' else 'paused' end::s3_connector.file_status
    from late l
    order by l.key
    -- A key may have been tracked since the audit.
    on conflict do nothing
    returning id
  )
  select array_agg(id) into admitted from inserted;
  if connector.state = 'running' then
    perform s3_connector_private.add_import_jobs(admitted);
  end if;
  return coalesce(cardinality(admitted), 0);
end;
$$;
comment on function s3_connector_private.admit_late(text, text) is
  'Adds matching late keys to files and queues them (status paused if the connector is). Returns how many are new.';
