-- Functions that delete a file's rows, or import a file in place of its old rows. They run as their caller; the reason is in
-- sql/2_lifecycle/undo.sql.

create or replace function s3_connector.undo_file(name text, key text)
returns bigint language sql security invoker
begin atomic
  select coalesce((
    select s3_connector_private.end_undo(
      u.file_id,
      s3_connector_private.delete_rows(u.file_id, u.lineage, u.owner, u.owner_path, s3_connector_private.may_become(u.owner))
    )
    from s3_connector_private.begin_undo(name, key, for_reimport => false) u
  ), 0);
end;
comment on function s3_connector.undo_file(text, text) is
  'Deletes the rows that came from a file, found by file_id_column, and returns how many. The file''s status becomes undone and its counts null. Deletes as the connector''s owner if the caller may set role to it, and otherwise as the caller.';

create or replace function s3_connector.reimport_file(name text, key text)
returns bigint language sql security invoker
begin atomic
  select s3_connector_private.queue_again(name, key, coalesce((
    select s3_connector_private.end_undo(
      u.file_id,
      s3_connector_private.delete_rows(u.file_id, u.lineage, u.owner, u.owner_path, s3_connector_private.may_become(u.owner))
    )
    from s3_connector_private.begin_undo(name, key, for_reimport => true) u
  ), 0));
end;
comment on function s3_connector.reimport_file(text, text) is
  'Deletes a file''s rows, like undo_file, if it is imported, and queues it again, in one transaction. Returns how many rows were deleted. If the object was overwritten since, the new version is imported.';

-- Runs as its caller, like reimport_file: the old rows are deleted with the owner's rights or the caller's own.
create or replace function s3_connector.import_late(name text, pattern text default '**')
returns bigint language sql security invoker
begin atomic
  -- Overwritten files first, because the lock order needs their rows before any job.
  select again.files + s3_connector_private.admit_late(name, pattern)
  from (
    select count(s3_connector.reimport_file(name, o.key)) as files
    from s3_connector_private.take_overwritten(name, pattern) as o (key)
  ) again;
end;
comment on function s3_connector.import_late(text, text) is
  'Imports the keys that audit found and the pattern matches: late ones, and overwritten ones in place of their old rows if those are known (file_id_column). Returns how many files it queued.';
