-- The private part of import_late: admits the late and overwritten keys that an audit found.

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
