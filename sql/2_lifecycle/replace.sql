-- "Replacing": importing an overwritten object again in place of its file's old rows. The file goes back into the queue with
-- files.replaces, which says where these rows are. The import deletes them in the transaction of the new rows. So the table always
-- has the rows of one version, also if the new one cannot be imported.

create or replace function s3_connector_private.free_places(connector s3_connector.connectors)
returns bigint language sql stable set search_path = pg_catalog, pg_temp as $$
  select greatest((connector).max_tracked_files - s3_connector_private.tracked_files((connector).name), 0);
$$;
comment on function s3_connector_private.free_places(s3_connector.connectors) is
  'Returns how many more files the connector may track now.';

create or replace function s3_connector_private.is_replaceable(file s3_connector.files, noted s3_connector.late_files)
returns boolean language sql immutable parallel safe
return (noted).reason = 'overwritten' and (file).status <> 'running' and coalesce((file).replaces, (file).lineage) is not null
  and s3_connector_private.is_overwritten(file, (noted).etag);
comment on function s3_connector_private.is_replaceable(s3_connector.files, s3_connector.late_files) is
  'Returns whether an overwritten object can be imported again now: its file is imported, and its old rows are known.';

create or replace function s3_connector_private.replace_files(connector s3_connector.connectors, file_ids bigint[])
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  perform s3_connector_private.queue_files(connector, file_ids);
  with noted as (
    delete from s3_connector.late_files l
    using s3_connector.files f
    where f.id = any (file_ids) and l.connector_name = f.connector_name and l.key = f.key
    returning f.id, l.etag, l.size_bytes, l.last_modified
  )
  update s3_connector.files f
  set etag = coalesce(n.etag, f.etag), size_bytes = coalesce(n.size_bytes, f.size_bytes),
    last_modified = coalesce(n.last_modified, f.last_modified),
    -- If an import of a later version failed, the rows are still those of the earlier one.
    replaces = coalesce(f.replaces, f.lineage),
    replaces_table = case when f.replaces is null then f.lineage_table else f.replaces_table end
  -- Another session may have removed the note. The import then finds the object's version by itself.
  from unnest(file_ids) as replaced (id) left join noted n on n.id = replaced.id
  where f.id = replaced.id;
end;
$$;
comment on function s3_connector_private.replace_files(s3_connector.connectors, bigint[]) is
  'Queues imported files whose noted objects replace them. The caller has locked the connector and the files.';

create or replace function s3_connector_private.replace_overwritten(connector s3_connector.connectors, pattern text)
returns bigint language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  regex text := s3_connector_private.glob_regex(pattern);
  overwritten bigint[];
  left_alone bigint;
begin
  overwritten := array(
    select f.id
    from s3_connector.late_files l
    join s3_connector.files f on f.connector_name = l.connector_name and f.key = l.key
    where l.connector_name = connector.name and l.key ~ regex and s3_connector_private.is_replaceable(f, l)
    order by f.key for update of f
  );
  -- An import that ends removes what is noted about its file, and then needs the queue.
  perform from s3_connector_private.progress p where p.connector_name = connector.name for update;
  perform s3_connector_private.replace_files(connector, overwritten);
  -- A file that was imported or queued again since it was noted.
  delete from s3_connector.late_files l
  using s3_connector.files f
  where l.connector_name = connector.name and l.reason = 'overwritten' and l.key ~ regex
    and f.connector_name = l.connector_name and f.key = l.key and not s3_connector_private.is_overwritten(f, l.etag);
  select count(*) into left_alone
  from s3_connector.late_files l
  join s3_connector.files f on f.connector_name = l.connector_name and f.key = l.key
  where l.connector_name = connector.name and l.reason = 'overwritten' and l.key ~ regex
    and coalesce(f.replaces, f.lineage) is null;
  if left_alone > 0 then
    raise notice '% overwritten files are left as they are: the rows that came from them are not known', left_alone
      using hint = case when connector.change_column is null
        then 'Set file_id_column. Only files that were imported with it can be imported again in place of their old rows.'
        else 'Files with a change_column change rows of other files, and are never applied twice. Put the new changes into a later file.' end;
  end if;
  return cardinality(overwritten);
end;
$$;
comment on function s3_connector_private.replace_overwritten(s3_connector.connectors, text) is
  'Queues the matching overwritten keys in late_files whose old rows are known, to replace these. Returns how many.';

create or replace function s3_connector_private.settle_note()
returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  noted s3_connector.late_files;
begin
  select * into noted from s3_connector.late_files l where l.connector_name = new.connector_name and l.key = new.key;
  if not found then
    return null;
  end if;
  -- Before what is noted, because a poll that holds the progress may wait for that; and before the poll's job.
  perform from s3_connector_private.progress p where p.connector_name = new.connector_name for update;
  perform s3_connector_private.lock_queue(new.connector_name);
  if not s3_connector_private.is_overwritten(new, noted.etag) then
    delete from s3_connector.late_files l where l.connector_name = noted.connector_name and l.key = noted.key and l.etag = noted.etag;
  elsif s3_connector_private.is_replaceable(new, noted) then
    -- The object was overwritten again during the import, too late for it.
    perform s3_connector_private.poll_soon(array[c.name])
    from s3_connector.connectors c where c.name = new.connector_name and c.on_overwrite = 'reimport';
  end if;
  return null;
end;
$$;
comment on function s3_connector_private.settle_note() is
  'When an attempt ends: removes what was noted about its key if that is no longer true. Otherwise queues a poll, which admits the key.';

create or replace trigger settle_note
  after update of status on s3_connector.files
  for each row when (old.status = 'running' and new.status <> 'running')
  execute function s3_connector_private.settle_note();

create or replace function s3_connector_import.begin_replacement(file_id bigint, running_attempt_id bigint, token text)
returns table (id bigint, lineage text[], target text, owner name, owner_path text)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  file s3_connector.files;
begin
  perform s3_connector_private.check_token('attempt', running_attempt_id, token);
  select * into file from s3_connector.files f
  where f.id = begin_replacement.file_id and f.status = 'running' and f.attempt_id = running_attempt_id;
  if file.replaces is null then
    return;
  end if;
  delete from s3_connector_private.rejected_rows r where r.file_id = file.id;
  return query
    select file.id, l.lineage, s3_connector_private.find_rows_table(l.lineage, file.replaces_table), c.owner,
      s3_connector_import.usual_search_path(c.owner)
    from s3_connector.connectors c cross join s3_connector_private.lineage_of_rows(file) l (lineage)
    where c.name = file.connector_name;
end;
$$;
comment on function s3_connector_import.begin_replacement(bigint, bigint, text) is
  'Deletes the rejected rows of the version that an import replaces, and returns what delete_rows needs for its rows. No row if the attempt no longer owns the file.';
