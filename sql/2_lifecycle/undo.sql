-- "Undo": deleting the rows that came from a file. The rows are deleted with the connector owner's rights or the caller's own,
-- never with the installation's, so undo_file and reimport_file run as their caller. They write to the connector's own tables
-- through functions that callers cannot name, because they have no usage on that schema. This works because PostgreSQL parses
-- the bodies of undo_file and reimport_file when they are created.

create or replace function s3_connector_private.begin_undo(name text, key text, for_reimport boolean)
returns table (file_id bigint, lineage text[], owner name, owner_path text)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  connector s3_connector.connectors;
  file s3_connector.files;
begin
  -- A shared lock: imports of other files can commit while the rows of this file are being deleted.
  select * into connector from s3_connector.connectors c where c.name = begin_undo.name for share;
  if not found then
    perform s3_connector_private.require_connector(name);
  end if;
  file := s3_connector_private.require_file(name, key);
  if file.status = 'success' then
    if file.lineage is null then
      raise exception 'cannot tell which rows came from file %: it was imported without file_id_column', quote_literal(file.key)
        using errcode = 'object_not_in_prerequisite_state',
          hint = 'Pause the connector and set file_id_column to a column of the table. Files that are imported after that can be undone.';
    end if;
    return query select file.id, file.lineage, connector.owner, s3_connector_private.usual_search_path(connector.owner);
  elsif for_reimport and file.status = 'running' then
    raise exception 'file % is being imported now', quote_literal(file.key)
      using errcode = 'object_in_use',
        hint = format('Wait until it is done, or first run: select s3_connector.cancel_file(%L, %L);', name, file.key);
  elsif not for_reimport and file.status <> 'undone' then
    raise exception 'file % is not imported, so there is nothing to undo (status: %)', quote_literal(file.key), file.status
      using errcode = 'object_not_in_prerequisite_state',
        hint = format('To keep it from being imported: select s3_connector.cancel_file(%L, %L);', name, file.key);
  end if;
end;
$$;
comment on function s3_connector_private.begin_undo(text, text, boolean) is
  'Locks a file and returns its id, its lineage (schema, table and column with that id) and the connector''s owner with its usual search_path. No row if there is nothing to delete; for_reimport: this is not an error.';

create or replace function s3_connector_private.may_become(owner name)
returns boolean language sql stable set search_path = pg_catalog, pg_temp as $$
  -- Inside a security definer function PostgreSQL does not change roles, and current_user is not one of the session's roles.
  select case current_setting('role') when 'none' then session_user else current_setting('role') end = current_user
    and exists (
      select from pg_catalog.pg_roles r
      where r.rolname = owner and pg_catalog.pg_has_role(
        session_user, r.oid, case when current_setting('server_version_num')::integer >= 160000 then 'SET' else 'MEMBER' end
      )
    );
$$;
comment on function s3_connector_private.may_become(name) is 'Returns whether the session may set role to that role.';

create or replace function s3_connector_private.delete_rows(file_id bigint, lineage text[], owner name, owner_path text, may_become boolean)
returns bigint language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  own_role text := current_setting('role');
  own_limit text := current_setting('timescaledb.max_tuples_decompressed_per_dml_transaction', true);
  target text := format('%I.%I', lineage[1], lineage[2]);
  -- The operator is fully qualified. The value has no type, because the column may have any type that holds the id.
  statement text := format('delete from %s where %I operator(pg_catalog.=) %L', target, lineage[3], file_id);
  tries_left integer := 10;
  deleted bigint;
begin
  while deleted is null loop
    begin
      if may_become then
        perform set_config('role', owner, true);
      end if;
      -- By default TimescaleDB refuses a delete that decompresses more than 100,000 rows.
      if own_limit is not null then
        perform set_config('timescaledb.max_tuples_decompressed_per_dml_transaction', '0', true);
      end if;
      -- The table's triggers have the path that they have in an import.
      perform set_config('search_path', owner_path, true);
      execute statement;
      get diagnostics deleted = row_count;
      if may_become then
        -- Before PostgreSQL 18, deferred triggers would run at the commit with the caller's rights.
        set constraints all immediate;
      end if;
      perform pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    exception
      when serialization_failure then
        -- TimescaleDB moved rows to another batch or table meanwhile (compaction, recompression). The next statement finds
        -- them there, unless the transaction uses one snapshot for all statements.
        tries_left := tries_left - 1;
        if tries_left = 0 or current_setting('transaction_isolation') not in ('read committed', 'read uncommitted') then
          raise exception 'the file''s rows in % are being moved by another session (%)', target, sqlerrm
            using errcode = 'serialization_failure', hint = 'Run the same statement again, in a new transaction. Nothing was deleted.';
        end if;
      when insufficient_privilege then
        raise exception 'deleting the file''s rows from % was refused to % (%)', target,
            case when may_become then owner else current_user end, sqlerrm
          using errcode = 'insufficient_privilege', hint = format(
            'Run: grant %1$I to %2$I; or: grant select, delete on %3$s to %2$I; The first lets %2$I delete as %1$I, the connector''s owner.',
            owner, current_user, target);
      when undefined_table or invalid_schema_name then
        if to_regclass(target) is not null then
          raise;
        end if;
        raise exception 'there is no table % any more; the file was imported into it', target
          using errcode = 'undefined_table', hint = 'Create it again, with the column for the file''s id, or drop the connector.';
      when undefined_column then
        if exists (
          select from pg_catalog.pg_attribute a
          where a.attrelid = to_regclass(target) and a.attname = lineage[3] and not a.attisdropped
        ) then
          raise;
        end if;
        raise exception 'table % has no column % any more; it held the file''s id', target, quote_ident(lineage[3])
          using errcode = 'undefined_column', hint = 'Add the column again, or delete the rows yourself and drop the connector.';
    end;
  end loop;
  -- After an error the rollback also resets the role.
  if may_become then
    perform set_config('role', own_role, true);
  end if;
  if own_limit is not null then
    perform set_config('timescaledb.max_tuples_decompressed_per_dml_transaction', own_limit, true);
  end if;
  return deleted;
end;
$$;
comment on function s3_connector_private.delete_rows(bigint, text[], name, text, boolean) is
  'Deletes a file''s rows as the owner, if the caller may set role to it, and otherwise as the caller. Returns how many.';

create or replace function s3_connector_private.end_undo(file_id bigint, deleted bigint)
returns bigint language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  update s3_connector.files f
  set status = 'undone', lineage = null, rows_read = null, rows_imported = null, rows_rejected = null, rows_skipped = null
  where f.id = end_undo.file_id;
  delete from s3_connector_private.rejected_rows r where r.file_id = end_undo.file_id;
  update s3_connector_private.file_history h set message = format('%s rows deleted', deleted)
  where h.id = (select max(l.id) from s3_connector_private.file_history l where l.file_id = end_undo.file_id);
  return deleted;
end;
$$;
comment on function s3_connector_private.end_undo(bigint, bigint) is
  'Records that a file''s rows are deleted. Returns how many they were.';

create or replace function s3_connector_private.queue_again(name text, key text, deleted bigint)
returns bigint language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform s3_connector_private.queue_files(c, array[f.id])
  from s3_connector.files f join s3_connector.connectors c on c.name = f.connector_name
  where f.connector_name = queue_again.name and f.key = queue_again.key
    and f.status in ('failure', 'pending_retry', 'cancelled', 'undone');
  return deleted;
end;
$$;
comment on function s3_connector_private.queue_again(text, text, bigint) is
  'Queues a file whose rows are deleted, or that never had any. A waiting file stays as it is. Returns the count that it is given.';
