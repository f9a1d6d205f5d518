-- Detects a "copy" of a database (a restored dump, a clone, an upgraded server) and pauses its connectors, so that a copy and
-- its original do not both import unasked. database_identity records the server and database in which the connectors last ran.

create or replace function s3_connector_private.is_original_database()
returns boolean language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  -- Called before every attempt. In plpgsql, a session plans the query once; in sql, each time.
  return (
    select coalesce(bool_and(
      i.system_identifier = (select c.system_identifier from pg_control_system() c)
      and i.database_oid = (select d.oid from pg_database d where d.datname = current_database())
    ), false)
    from s3_connector_private.database_identity i
  );
end;
$$;
comment on function s3_connector_private.is_original_database() is
  'Returns whether the connectors last ran in this database of this server, and in no other.';

create or replace function s3_connector_private.pause_if_copied()
returns bigint language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  paused_connectors bigint;
  paused_files bigint[];
begin
  if s3_connector_private.is_original_database() then
    return 0;
  end if;
  lock table s3_connector_private.database_identity in share row exclusive mode;
  if s3_connector_private.is_original_database() then
    return 0;
  end if;
  delete from s3_connector_private.database_identity;
  insert into s3_connector_private.database_identity (system_identifier, database_oid)
  select c.system_identifier, d.oid
  from pg_control_system() c, pg_database d where d.datname = current_database();

  -- The original's tokens must not count here.
  perform s3_connector_private.renew_import_secret();
  -- Nobody asked this database to delete anything.
  delete from s3_connector_private.requests r where r.answered_at is null;
  -- Here these are other tables' oids, or none's.
  update s3_connector.files f set lineage_table = null, replaces_table = null
  where f.lineage_table is not null or f.replaces_table is not null;
  update s3_connector_private.dropped_connectors d set target_oid = null where d.target_oid is not null;
  -- After a restore of only the data, the totals may count files twice or not at all.
  perform s3_connector_private.count_totals();
  -- Queues the files that were running in the original, so that they are paused too. No attempt has begun here, even if a
  -- worker here has the same id as one there. So worker 0, which does not exist, takes their place.
  update s3_connector.files f set worker_id = 0 where f.status = 'running';
  perform s3_connector_private.rescue_files();
  -- All at once: connector by connector would take long.
  with paused as (
    update s3_connector.files f set status = 'paused', next_attempt_at = null
    where f.status in ('in_queue', 'pending_retry') returning f.id
  )
  select array_agg(id) into paused_files from paused;
  perform s3_connector_private.remove_jobs_of_files(paused_files);
  update s3_connector_private.progress p
  set copy_notice = format(
    'paused, because this database is a copy (restored, cloned or upgraded) and its original may still import; select s3_connector.resume(%L); to import here',
    c.name
  )
  from s3_connector.connectors c where c.name = p.connector_name and c.state = 'running';
  update s3_connector.connectors c set state = 'paused' where c.state = 'running';
  get diagnostics paused_connectors = row_count;
  return paused_connectors;
end;
$$;
comment on function s3_connector_private.pause_if_copied() is
  'Pauses all connectors, with a notice, if this database is a copy of the one that they last ran in. Returns how many.';

create or replace function s3_connector_private.clear_copy_notice()
returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  update s3_connector_private.progress p set copy_notice = null
  where p.connector_name = new.name and p.copy_notice is not null;
  return null;
end;
$$;
comment on function s3_connector_private.clear_copy_notice() is
  'Clears the notice of a connector that somebody resumed in a copy.';

create or replace trigger clear_copy_notice
  after update of state on s3_connector.connectors
  for each row when (new.state = 'running' and old.state <> 'running')
  execute function s3_connector_private.clear_copy_notice();

create or replace function s3_connector_private.pause_copy_first()
returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform s3_connector_private.pause_if_copied();
  return null;
end;
$$;
comment on function s3_connector_private.pause_copy_first() is
  'Pauses the connectors that came with a copy before a new one is inserted. The new one runs.';

create or replace trigger pause_copy_first
  before insert on s3_connector.connectors
  for each statement execute function s3_connector_private.pause_copy_first();

comment on table s3_connector_private.database_identity is
  'The database in which the connectors last ran: one row, unless a restore has added another.';
comment on column s3_connector_private.database_identity.system_identifier is 'The server''s system_identifier, from pg_control_system().';
comment on column s3_connector_private.database_identity.database_oid is 'The database''s oid on that server.';
comment on column s3_connector_private.progress.copy_notice is 'Why the connector is paused in a copy of its database; null once it is resumed.';
