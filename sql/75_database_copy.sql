-- Two copies of a database must not import side by side unasked. A copy (a dump restored, a database made from a
-- template) finds that it is not where its connectors ran last, and pauses them.

create or replace function s3_connector_private.is_original_database()
returns boolean language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  -- Before every attempt: a session plans the queries of plpgsql once, and those of sql each time.
  return (
    select count(*) > 0 and coalesce(bool_and(
      h.system_identifier = (select c.system_identifier from pg_control_system() c)
      and h.database_oid = (select d.oid from pg_database d where d.datname = current_database())
    ), false)
    from s3_connector_private.database_identity h
  );
end;
$$;
comment on function s3_connector_private.is_original_database() is
  'Whether the connectors last ran in this very database of this very server, and in no other.';

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

  -- What a restore of the data alone brought was counted by the triggers too, or by nobody.
  perform s3_connector_private.count_totals();
  -- What ran in the original is given back first, so that the pause finds it. No attempt has begun here, even if a
  -- worker that lives here has the id of one that lived there.
  update s3_connector.files f set worker_id = 0 where f.status = 'running';
  perform s3_connector_private.rescue_files();
  -- All at once and not connector by connector: each would take a lock, of which a server has some thousands.
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
  'Pauses all connectors, with a notice, where this database is a copy of the one that they ran in; returns how many.';

create or replace function s3_connector_private.clear_copy_notice()
returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  update s3_connector_private.progress p set copy_notice = null
  where p.connector_name = new.name and p.copy_notice is not null;
  return null;
end;
$$;
comment on function s3_connector_private.clear_copy_notice() is
  'A connector that somebody resumed in a copy runs there on purpose.';

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
  'Pauses what came with a copy before anything new is inserted into it, which is meant to run here.';

create or replace trigger pause_copy_first
  before insert on s3_connector.connectors
  for each statement execute function s3_connector_private.pause_copy_first();

comment on table s3_connector_private.database_identity is
  'The database that the connectors ran in last: one row, unless a restore has added another.';
comment on column s3_connector_private.database_identity.system_identifier is 'The server''s, of pg_control_system().';
comment on column s3_connector_private.database_identity.database_oid is 'The database''s oid there.';
comment on column s3_connector_private.progress.copy_notice is 'Why the connector is paused in a copy of its database, until it is resumed.';
