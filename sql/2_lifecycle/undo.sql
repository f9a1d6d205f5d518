-- "Undo": deleting the rows that came from a file, with the rights of the connector's owner and no others. If the owner itself
-- calls undo_file, its session deletes them at once. For any other caller a worker does, in a session of its login for imports:
-- the delete runs the owner's code (triggers, rules), which must not get the caller's rights. undo_file and reimport_file run as
-- their caller. They write to the connector's own tables through functions that callers cannot name, because they have no usage
-- on that schema. This works because PostgreSQL parses the bodies of undo_file and reimport_file when they are created.

create or replace function s3_connector_private.lineage_of_rows(file s3_connector.files)
returns text[] language sql stable set search_path = pg_catalog, pg_temp as $$
  -- A file without rows makes no table. One that is gone is another matter: its oid is known, or there were rows.
  select case
    when (file).rows_imported = 0 and case when (file).replaces is null then (file).lineage_table else (file).replaces_table end is null
      and s3_connector_import.relation_oid(l.lineage[1], l.lineage[2]) is null then null
    else l.lineage
  end
  from (select coalesce((file).replaces, (file).lineage)) l (lineage);
$$;
comment on function s3_connector_private.lineage_of_rows(s3_connector.files) is
  'Returns the lineage (schema, table and column with its id) of an imported file''s rows; null if it had none and their table was never made.';

create or replace function s3_connector_private.begin_undo(name text, key text, for_reimport boolean)
returns table (file_id bigint, lineage text[], lineage_table oid, owner name, owner_path text)
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
    if connector.change_column is not null or file.rows_inserted is not null then
      raise exception 'file % changed rows (% inserted, % updated, % deleted), and what they were before is not known',
        quote_literal(file.key), coalesce(file.rows_inserted, 0), coalesce(file.rows_updated, 0), coalesce(file.rows_deleted, 0)
        using errcode = 'object_not_in_prerequisite_state',
          hint = 'Files with a change_column cannot be undone or imported again. Correct the rows in the table, or put a later file with the right changes into the bucket.';
    end if;
    if file.lineage is null then
      raise exception 'cannot tell which rows came from file %: it was imported without file_id_column', quote_literal(file.key)
        using errcode = 'object_not_in_prerequisite_state',
          hint = 'Pause the connector and set file_id_column to a column of the table. Files that are imported after that can be undone.';
    end if;
    return query select file.id, s3_connector_private.lineage_of_rows(file), file.lineage_table, connector.owner,
      s3_connector_import.usual_search_path(connector.owner);
  elsif file.status = 'running' and (for_reimport or file.replaces is not null) then
    raise exception 'file % is being imported now', quote_literal(file.key)
      using errcode = 'object_in_use',
        hint = format('Wait until it is done, or first run: select s3_connector.cancel_file(%L, %L);', name, file.key);
  elsif not for_reimport and file.replaces is not null then
    return query select file.id, s3_connector_private.lineage_of_rows(file), file.replaces_table, connector.owner,
      s3_connector_import.usual_search_path(connector.owner);
  elsif not for_reimport and file.status <> 'undone' then
    raise exception 'file % is not imported, so there is nothing to undo (status: %)', quote_literal(file.key), file.status
      using errcode = 'object_not_in_prerequisite_state',
        hint = format('To keep it from being imported: select s3_connector.cancel_file(%L, %L);', name, file.key);
  end if;
end;
$$;
comment on function s3_connector_private.begin_undo(text, text, boolean) is
  'Locks a file and returns its id, its lineage (schema, table and column with that id), that table''s oid, and the connector''s owner with its usual search_path. No row if there is nothing to delete; for_reimport: this is not an error, and rows that the next import replaces stay until then.';

create or replace function s3_connector_private.is_owner_session(owner name)
returns boolean language sql stable set search_path = pg_catalog, pg_temp as $$
  -- Inside a security definer function PostgreSQL does not change roles, and current_user is not one of the session's roles.
  select session_user = owner and case current_setting('role') when 'none' then session_user else current_setting('role') end = current_user
    -- `set session authorization` changes session_user, and not the role that logged in.
    and owner = (select a.usename from pg_stat_activity a where a.pid = pg_backend_pid());
$$;
comment on function s3_connector_private.is_owner_session(name) is
  'Returns whether the session is the owner''s own, so that the owner''s code gets no rights there that the owner has not.';

create or replace function s3_connector_private.find_rows_table(lineage text[], lineage_table oid)
returns text language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  relation pg_class;
  target text;
begin
  if lineage is null then
    return null;
  end if;
  target := format('%I.%I', lineage[1], lineage[2]);
  -- A renamed table has another name, and its old name may be another relation's now.
  select c.* into relation from pg_class c where c.oid = lineage_table;
  if relation.oid is null then
    select c.* into relation from pg_class c where c.oid = to_regclass(target);
  end if;
  if relation.oid is null then
    raise exception 'there is no table % any more; the file was imported into it', target
      using errcode = 'undefined_table', hint = 'Create it again, with the column for the file''s id, or drop the connector.';
  elsif relation.relkind not in ('r', 'p', 'f', 'v')
    -- A view in the place of a dropped table leads to other rows.
    or relation.relkind = 'v' and relation.oid <> lineage_table then
    raise exception '% is not a table; the file''s rows went into one of that name', target
      using errcode = 'wrong_object_type', hint = 'Give the table its name back, or drop the connector.';
  end if;
  return format('%s.%I', relation.relnamespace::regnamespace, relation.relname);
end;
$$;
comment on function s3_connector_private.find_rows_table(text[], oid) is
  'Returns the quoted name of the table that a file''s rows went into: the one with that oid, or else of that name; null without a lineage. Raises an error if it is neither a table nor the view that the rows went into.';

create or replace function s3_connector_import.delete_rows(
  file_id bigint, lineage text[], target text, owner name, owner_path text, defer_triggers boolean
)
returns bigint language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  own_role text := current_setting('role');
  own_limit text := current_setting('timescaledb.max_tuples_decompressed_per_dml_transaction', true);
  statement text;
  tries_left integer := 10;
  is_owner boolean := false;
  deleted bigint;
begin
  if target is null then
    return 0;
  end if;
  -- The operator is fully qualified. The value has no type, because the column may have any type that holds the id.
  statement := format('delete from %s where %I operator(pg_catalog.=) %L', target, lineage[3], file_id);
  while deleted is null loop
    begin
      perform set_config('role', owner, true);
      is_owner := true;
      -- By default TimescaleDB refuses a delete that decompresses more than 100,000 rows.
      if own_limit is not null then
        perform set_config('timescaledb.max_tuples_decompressed_per_dml_transaction', '0', true);
      end if;
      -- The table's triggers have the path that they have in an import.
      perform set_config('search_path', owner_path, true);
      execute statement;
      get diagnostics deleted = row_count;
      if not defer_triggers then
        -- Before PostgreSQL 18, they would run at the commit with the session's rights.
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
        raise exception 'deleting the file''s rows from % was refused to %, the connector''s owner (%)', target, owner, sqlerrm
          using errcode = 'insufficient_privilege', hint = case
            when is_owner then format('Run: grant select, delete on %s to %I; Then try again.', target, owner)
            else format('Run: grant %I to %I; Then try again.', owner, session_user)
          end;
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
  perform set_config('role', own_role, true);
  if own_limit is not null then
    perform set_config('timescaledb.max_tuples_decompressed_per_dml_transaction', own_limit, true);
  end if;
  return deleted;
end;
$$;
comment on function s3_connector_import.delete_rows(bigint, text[], text, name, text, boolean) is
  'Deletes a file''s rows from a table as the owner, in a session that may set role to it. Returns how many; without a table, none. defer_triggers: the caller runs deferred triggers later, as the owner.';

create or replace function s3_connector_private.end_undo(file_id bigint, deleted bigint)
returns bigint language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  file s3_connector.files;
begin
  select * into file from s3_connector.files f where f.id = end_undo.file_id;
  update s3_connector.files f
  set status = 'undone', notice = null, lineage = null, lineage_table = null, replaces = null, replaces_table = null, next_attempt_at = null,
    error_code = null, error_message = null, rows_read = null, rows_imported = null, rows_rejected = null, rows_skipped = null,
    rows_inserted = null, rows_updated = null, rows_deleted = null
  where f.id = file.id;
  -- It waited to be replaced.
  if file.status in ('in_queue', 'pending_retry', 'paused') then
    perform s3_connector_private.poll_if_idle(file.connector_name);
    perform s3_connector_private.drop_from_queue(file.connector_name, array[file.id]);
  end if;
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

create or replace function s3_connector_private.refuse_without_worker_of(owner name)
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  logins name[];
begin
  perform s3_connector_private.refuse_without_worker();
  logins := array(
    select distinct w.import_role from s3_connector_private.workers w
    where w.id in (select s3_connector_private.alive_workers()) and w.import_role is not null
  );
  if not exists (select from unnest(logins) l where s3_connector_private.may_act_as(l, owner)) then
    raise exception 'no worker that is alive may act as %, the connector''s owner, whose rights the delete needs', quote_ident(owner)
      using errcode = 'insufficient_privilege', hint = format('Run: grant %I to %I;', owner, logins[1]);
  end if;
end;
$$;
comment on function s3_connector_private.refuse_without_worker_of(name) is
  'Raises an error if no worker is alive whose login for imports may become the owner.';

create or replace function s3_connector_private.ask_undo(new_kind text, name text, key text, owner name)
returns bigint language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  request_id bigint;
begin
  perform s3_connector_private.refuse_without_worker_of(owner);
  -- begin_undo has locked the file, so no other session adds the same request.
  select r.id into request_id from s3_connector_private.requests r
  where r.kind = new_kind and r.connector_name = ask_undo.name and r.argument = ask_undo.key and r.answered_at is null;
  if not found then
    insert into s3_connector_private.requests (kind, connector_name, argument)
    values (new_kind, name, key) returning id into request_id;
  end if;
  perform s3_connector_private.queue_request(request_id);
  raise notice 'a worker deletes the rows as %, the connector''s owner; then the file''s status becomes %', quote_ident(owner),
      case new_kind when 'undo_file' then 'undone' else 'in_queue' end
    using hint = format('See how it went: select status, error_message from s3_connector.files where connector_name = %L and key = %L;', name, key);
  return null;
end;
$$;
comment on function s3_connector_private.ask_undo(text, text, text, name) is
  'Asks a worker to undo a file, after begin_undo. Returns null, because the number of rows is not known yet.';

create or replace function s3_connector_import.begin_requested_undo(request_id bigint, token text)
returns table (id bigint, lineage text[], target text, owner name, owner_path text)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform s3_connector_private.check_token('undo', request_id, token);
  return query
    select u.file_id, u.lineage, s3_connector_private.find_rows_table(u.lineage, u.lineage_table), u.owner, u.owner_path
    from s3_connector_private.requests r
    cross join s3_connector_private.begin_undo(r.connector_name, r.argument, for_reimport => r.kind = 'reimport_file') u
    where r.id = request_id;
end;
$$;
comment on function s3_connector_import.begin_requested_undo(bigint, text) is
  'Locks the file of a request, and returns what delete_rows needs. No row if there is nothing to delete.';

create or replace function s3_connector_import.end_requested_undo(request_id bigint, token text, deleted bigint)
returns void language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  request s3_connector_private.requests;
begin
  perform s3_connector_private.check_token('undo', request_id, token);
  select * into request from s3_connector_private.requests r where r.id = request_id;
  if deleted is not null then
    perform s3_connector_private.end_undo(f.id, deleted)
    from s3_connector.files f where f.connector_name = request.connector_name and f.key = request.argument;
  end if;
  if request.kind = 'reimport_file' then
    perform s3_connector_private.queue_again(request.connector_name, request.argument, deleted);
  end if;
  perform s3_connector_private.answer(request_id, jsonb_build_object('deleted', deleted));
end;
$$;
comment on function s3_connector_import.end_requested_undo(bigint, text, bigint) is
  'Records that a worker deleted a file''s rows, in the same transaction. Queues the file again if the request is reimport_file.';

create or replace function s3_connector_private.fail_requested_undo(request_id bigint, new_error_code text, new_error_message text)
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  file s3_connector.files;
begin
  update s3_connector.files f set error_code = new_error_code, error_message = new_error_message
  from s3_connector_private.requests r
  where r.id = request_id and f.connector_name = r.connector_name and f.key = r.argument
    and (f.status = 'success' or f.replaces is not null)
  returning f.* into file;
  insert into s3_connector_private.file_history (file_id, from_status, to_status, attempt, message)
  select file.id, file.status, file.status, file.attempts, format('not undone: %s: %s', new_error_code, new_error_message)
  where file.id is not null;
end;
$$;
comment on function s3_connector_private.fail_requested_undo(bigint, text, text) is
  'Writes to the file and its history why a worker could not delete its rows. They stay.';
