-- "Pruning": deleting history that is older than the connector's retention. History is the polls and audits, and the status
-- changes and rejected rows of files that ended. The rows in files stay, because they record which keys were imported.

create or replace function s3_connector_private.prune_polls(connector_name text, older_than timestamptz, batch integer)
returns bigint language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  pruned bigint;
begin
  delete from s3_connector.polls p
  where p.id = any (array(
    select q.id from s3_connector.polls q
    where q.connector_name = prune_polls.connector_name and q.started_at < older_than
      -- The last poll stays, however old: it says whether the connector has caught up.
      and q.started_at < (select max(l.started_at) from s3_connector.polls l where l.connector_name = q.connector_name)
    order by q.started_at limit batch
  ));
  get diagnostics pruned = row_count;
  return pruned;
end;
$$;
comment on function s3_connector_private.prune_polls(text, timestamptz, integer) is
  'Deletes up to batch of a connector''s polls that began before older_than, but never its last one. Returns how many.';

create or replace function s3_connector_private.prune_audits(connector_name text, older_than timestamptz, batch integer)
returns bigint language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  pruned bigint;
begin
  delete from s3_connector.audits a
  where a.id = any (array(
    select o.id from s3_connector.audits o
    where o.connector_name = prune_audits.connector_name and o.started_at < older_than and o.finished_at is not null
      -- The last audit stays, however old: it says until when the keys were compared.
      and o.started_at < (
        select max(l.started_at) from s3_connector.audits l where l.connector_name = o.connector_name and l.finished_at is not null
      )
    order by o.started_at limit batch
  ));
  get diagnostics pruned = row_count;
  return pruned;
end;
$$;
comment on function s3_connector_private.prune_audits(text, timestamptz, integer) is
  'Deletes up to batch of a connector''s audits that began before older_than, but never its last finished one. Returns how many.';

create or replace function s3_connector_private.ended_until(
  connector_name text, since timestamptz, older_than timestamptz, batch integer
)
returns timestamptz language sql stable set search_path = pg_catalog, pg_temp as $$
  select max(f.finished_at) from (
    select f.finished_at
    from unnest('{success,failure,cancelled,undone}'::s3_connector.file_status[]) ended (status)
    cross join lateral (
      select f.finished_at from s3_connector.files f
      where f.connector_name = ended_until.connector_name and f.status = ended.status
        and f.finished_at > since and f.finished_at < older_than
      order by f.finished_at nulls first limit batch
    ) f
    order by f.finished_at limit batch
  ) f;
$$;
comment on function s3_connector_private.ended_until(text, timestamptz, timestamptz, integer) is
  'Returns when the last of the next batch of files ended, among those that ended between since and older_than; null if none did.';

create or replace function s3_connector_private.prune_files(
  connector_name text, since timestamptz, until timestamptz, batch integer
)
returns bigint language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  ended bigint[] := array(
    select f.id from s3_connector.files f
    where f.connector_name = prune_files.connector_name and f.status in ('success', 'failure', 'cancelled', 'undone')
      and f.finished_at > since and f.finished_at <= until
  );
  pruned_rows bigint;
  pruned_changes bigint;
begin
  -- Also in batches, because one file may have any number of rejected rows.
  delete from s3_connector_private.rejected_rows r
  where r.id = any (array(
    select q.id from s3_connector_private.rejected_rows q where q.file_id = any (ended) limit batch
  ));
  get diagnostics pruned_rows = row_count;
  delete from s3_connector_private.file_history h
  where h.id = any (array(
    select q.id from s3_connector_private.file_history q where q.file_id = any (ended) limit batch
  ));
  get diagnostics pruned_changes = row_count;
  return pruned_rows + pruned_changes;
end;
$$;
comment on function s3_connector_private.prune_files(text, timestamptz, timestamptz, integer) is
  'Deletes up to batch status changes, and up to batch rejected rows, of the files that ended between two times. Returns how many.';

create or replace function s3_connector_private.prune_connector(connector s3_connector.connectors, pruned_until timestamptz, batch integer)
returns bigint language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  older_than timestamptz := now() - connector.retention;
  since timestamptz := coalesce(pruned_until, '-infinity');
  until timestamptz := s3_connector_private.ended_until(connector.name, since, older_than, batch);
  pruned bigint := 0;
  left_over bigint := 0;
begin
  if until is not null then
    pruned := s3_connector_private.prune_files(connector.name, since, until, batch);
    left_over := pruned;
  end if;
  pruned := pruned + s3_connector_private.prune_polls(connector.name, older_than, batch)
    + s3_connector_private.prune_audits(connector.name, older_than, batch);
  -- Continues with later files when those up to here have nothing left, and moves to the end when nothing is left at all.
  if left_over = 0 then
    update s3_connector_private.progress p
    set pruned_until = case when until is null and pruned = 0 then older_than else coalesce(until, p.pruned_until) end
    where p.connector_name = connector.name;
    pruned := pruned + (until is not null)::integer;
  end if;
  return pruned;
end;
$$;
comment on function s3_connector_private.prune_connector(s3_connector.connectors, timestamptz, integer) is
  'Deletes one batch of history that is older than a connector''s retention. Returns 0 if nothing is left.';

create or replace function s3_connector_private.delete_old_requests()
returns bigint language sql set search_path = pg_catalog, pg_temp as $$
  with deleted as (
    delete from s3_connector_private.requests r
    -- An undo counts until it is done, because nobody waits for its answer.
    where r.asked_at < now() - interval '1 day' and (r.answered_at is not null or r.kind not in ('undo_file', 'reimport_file'))
    returning 1
  )
  select count(*) from deleted;
$$;
comment on function s3_connector_private.delete_old_requests() is
  'Deletes requests older than a day. Returns how many.';

create or replace function s3_connector_private.prune_leftovers()
returns bigint language sql set search_path = pg_catalog, pg_temp as $$
  with old_workers as (
    delete from s3_connector_private.workers w where w.stopped_at < now() - interval '7 days' returning 1
  )
  select s3_connector_private.delete_old_requests() + (select count(*) from old_workers)
    + s3_connector_private.remove_exhausted_jobs(now() - interval '1 day');
$$;
comment on function s3_connector_private.prune_leftovers() is
  'Deletes requests older than a day, workers that stopped more than a week ago, and old jobs with no attempts left. Returns how many.';

create or replace function s3_connector_private.prune_history(batch integer default 1000)
returns bigint language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  due record;
  pruned bigint := 0;
begin
  for due in
    select c as connector, p.pruned_until
    from s3_connector.connectors c
    join s3_connector_private.progress p on p.connector_name = c.name
    where c.retention is not null
      -- Waits until a larger amount is due, so that not every minute searches for one minute of history.
      and (p.pruned_until is null or p.pruned_until < now() - c.retention - least(c.retention / 20, interval '1 hour'))
    order by c.name
    -- Waiting for a session that changes several connectors could end in a deadlock.
    for key share of c skip locked for update of p skip locked
  loop
    pruned := pruned + s3_connector_private.prune_connector(due.connector, due.pruned_until, batch);
  end loop;
  return pruned;
end;
$$;
comment on function s3_connector_private.prune_history(integer) is
  'Deletes one batch of each connector''s history that is older than its retention. Returns 0 if nothing is left.';
