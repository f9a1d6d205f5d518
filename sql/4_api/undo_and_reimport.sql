-- Functions that delete a file's rows, or import again what was imported. undo_file and reimport_file run as their caller; the
-- reason is in sql/2_lifecycle/undo.sql.

create or replace function s3_connector.undo_file(name text, key text)
returns bigint language sql security invoker
begin atomic
  select case
    when u.file_id is null then 0
    when s3_connector_private.is_owner_session(u.owner) then s3_connector_private.end_undo(
      u.file_id,
      s3_connector_import.delete_rows(
        u.file_id, u.lineage, s3_connector_private.find_rows_table(u.lineage, u.lineage_table), u.owner, u.owner_path, false
      )
    )
    else s3_connector_private.ask_undo('undo_file', name, key, u.owner)
  end
  from (values (true)) one
  left join s3_connector_private.begin_undo(name, key, for_reimport => false) u on true;
end;
comment on function s3_connector.undo_file(text, text) is
  'Deletes the rows that came from a file, found by file_id_column, as the connector''s owner: also those of an earlier version that an import has not replaced yet. The file''s status becomes undone and its counts null. In the owner''s own session, returns how many rows were deleted. For any other caller a worker deletes them, and the result is null.';

create or replace function s3_connector.reimport_file(name text, key text)
returns bigint language sql security invoker
begin atomic
  select case
    when u.file_id is null then s3_connector_private.queue_again(name, key, 0)
    when s3_connector_private.is_owner_session(u.owner) then s3_connector_private.queue_again(name, key,
      s3_connector_private.end_undo(
        u.file_id,
        s3_connector_import.delete_rows(
          u.file_id, u.lineage, s3_connector_private.find_rows_table(u.lineage, u.lineage_table), u.owner, u.owner_path, false
        )
      )
    )
    else s3_connector_private.ask_undo('reimport_file', name, key, u.owner)
  end
  from (values (true)) one
  left join s3_connector_private.begin_undo(name, key, for_reimport => true) u on true;
end;
comment on function s3_connector.reimport_file(text, text) is
  'Deletes a file''s rows, like undo_file, if it is imported, and queues it again, in one transaction. Returns as undo_file does. If the object was overwritten since, the new version is imported. A file that is to replace the rows of an earlier version keeps them until then, and the result is 0.';

create or replace function s3_connector.import_late(name text, pattern text default '**')
returns bigint language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  connector s3_connector.connectors := s3_connector_private.require_connector(name);
begin
  -- Overwritten files first, because the lock order needs their rows before any job.
  return s3_connector_private.replace_overwritten(connector, pattern) + s3_connector_private.admit_late(name, pattern);
end;
$$;
comment on function s3_connector.import_late(text, text) is
  'Imports the keys in late_files that the pattern matches: late ones, and overwritten ones in place of their old rows if those are known (file_id_column). The old rows stay until the new ones are committed. Returns how many files it queued.';
