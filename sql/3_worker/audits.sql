-- "Audits": walks over the keys behind the marker, which are compared with the files page by page. One that somebody called walks at
-- once, in one job. A scheduled one walks in many jobs, each of as many LIST requests as a minute may cost. A "recheck" is such an
-- audit of the keys that a long scan has passed.

create or replace function s3_connector_private.last_passed_key(connector_name text)
returns text language sql stable set search_path = pg_catalog, pg_temp as $$
  select p.marker from s3_connector_private.progress p where p.connector_name = last_passed_key.connector_name;
$$;
comment on function s3_connector_private.last_passed_key(text) is
  'Returns the last key that the connector''s polls have passed. An untracked key up to it is missed: no poll lists it again.';

create or replace function s3_connector_private.due_audits()
returns table (connector_name text, audit_schedule text, due_from timestamptz)
language sql stable set search_path = pg_catalog, pg_temp as $$
  select c.name, c.audit_schedule, now()
  from s3_connector.connectors c
  join s3_connector_private.progress p on p.connector_name = c.name
  where c.audit_schedule is not null and c.state = 'running'
    and (p.next_audit_at is null or p.next_audit_at <= now())
    and not exists (select from s3_connector_private.outages o where o.connector_name = c.name)
  order by c.name;
$$;
comment on function s3_connector_private.due_audits() is
  'Returns the running connectors whose audit is due, or that have a new audit_schedule, and the time after which the next one is due.';

create or replace function s3_connector_private.start_due_audits(due jsonb)
returns bigint language sql set search_path = pg_catalog, pg_temp as $$
  with due as (
    select c.name, coalesce(p.next_audit_at <= now(), false) as is_due, d.next_audit_at
    from jsonb_to_recordset(due) as d (connector_name text, next_audit_at timestamptz)
    join s3_connector.connectors c on c.name = d.connector_name
    join s3_connector_private.progress p on p.connector_name = c.name
    where c.audit_schedule is not null and c.state = 'running' and (p.next_audit_at is null or p.next_audit_at <= now())
    -- Waiting for a session that changes several connectors could end in a deadlock.
    for update of p skip locked for share of c skip locked
  ), scheduled as (
    update s3_connector_private.progress p set next_audit_at = d.next_audit_at
    from due d where p.connector_name = d.name
  ), started as (
    insert into s3_connector.audits (connector_name, asked, marker)
    select d.name, false, s3_connector_private.last_passed_key(d.name) from due d where d.is_due
    -- One that is unfinished continues where it is.
    on conflict do nothing
    returning 1
  )
  select count(*) from started;
$$;
comment on function s3_connector_private.start_due_audits(jsonb) is
  'Starts the audits of connectors that are due, and sets when the next ones are: [{"connector_name", "next_audit_at"}]. Returns how many it started.';

create or replace function s3_connector_private.continue_audits()
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  audit_id bigint;
begin
  -- Who called them has got that error.
  update s3_connector.audits a
  set finished_at = now(), error_code = 'worker_stopped', error = format('worker %s stopped in the middle of the audit', a.worker_id)
  where a.finished_at is null and a.asked and a.worker_id not in (select s3_connector_private.alive_workers());
  for audit_id in
    select a.id
    from s3_connector.audits a
    join s3_connector.connectors c on c.name = a.connector_name
    where a.finished_at is null and not a.asked and c.state = 'running'
      and not exists (select from s3_connector_private.outages o where o.connector_name = c.name)
    for update of a skip locked
  loop
    -- Looked up under the lock: of two workers that call this at once, the second would queue an audit that the first has begun.
    if not exists (
      select from s3_connector_private.jobs() j
      where j.key = s3_connector_private.audit_job_key(audit_id) and (j.waits or j.begun)
    ) then
      perform s3_connector_private.queue_audit(audit_id);
    end if;
  end loop;
end;
$$;
comment on function s3_connector_private.continue_audits() is
  'Queues each scheduled audit that has no job: a new one, or one whose worker died, whose connector was paused, or whose bucket was unavailable. Ends audits that a dead worker answered.';

create or replace function s3_connector_private.start_recheck(connector_name text)
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  started bigint;
begin
  insert into s3_connector.audits (connector_name, asked, recheck, marker, position)
  select p.connector_name, false, true, p.marker, nullif(p.recheck_from, '')
  from s3_connector_private.progress p
  where p.connector_name = start_recheck.connector_name and p.recheck_from is not null
  -- One that is unfinished goes first.
  on conflict do nothing
  returning id into started;
  if started is not null then
    update s3_connector_private.progress p set recheck_from = null where p.connector_name = start_recheck.connector_name;
    perform s3_connector_private.queue_audit(started);
  end if;
end;
$$;
comment on function s3_connector_private.start_recheck(text) is
  'Starts the recheck that waits, unless another one is unfinished. The caller has locked the connector and its progress.';

create or replace function s3_connector_private.recheck_scan(connector_name text, scan_start text, look_behind text)
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  -- Keys that arrived where a scan had been already, or its first poll's look behind the marker. The last ones are in the next
  -- poll's look.
  update s3_connector_private.progress p set recheck_from = least(p.recheck_from, recheck_scan.look_behind collate "C")
  where p.connector_name = recheck_scan.connector_name and p.scan_start is null and p.look_behind > recheck_scan.scan_start collate "C";
  if found then
    perform s3_connector_private.start_recheck(recheck_scan.connector_name);
  end if;
end;
$$;
comment on function s3_connector_private.recheck_scan(text, text, text) is
  'If a scan has ended that began at this key, and the next poll will not look at all keys since: starts a recheck of them, and of those that its first poll saw before the marker. The caller has locked the connector and its progress.';

create or replace function s3_connector_private.recheck_waits(connector_name text)
returns boolean language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  return exists (
    select from s3_connector_private.progress p where p.connector_name = recheck_waits.connector_name and p.recheck_from is not null
  ) or exists (
    select from s3_connector.audits a
    where a.connector_name = recheck_waits.connector_name and a.recheck and not a.asked and a.finished_at is null
  );
end;
$$;
comment on function s3_connector_private.recheck_waits(text) is 'Returns whether a recheck waits or runs.';

create or replace function s3_connector_private.begin_asked_audit(request_id bigint)
returns table (id bigint, marker text, "position" text) language sql set search_path = pg_catalog, pg_temp as $$
  insert into s3_connector.audits (connector_name, asked, worker_id, marker)
  select r.connector_name, true, r.worker_id, s3_connector_private.last_passed_key(r.connector_name)
  from s3_connector_private.requests r where r.id = request_id
  returning audits.id, audits.marker, audits.position;
$$;
comment on function s3_connector_private.begin_asked_audit(bigint) is
  'Adds the audit that a request asks for, and returns it.';

create or replace function s3_connector_private.resume_audit(audit_id bigint, new_worker_id integer)
returns table (connector_name text, id bigint, marker text, "position" text) language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  -- The worker may not know yet that another one runs for this owner.
  perform s3_connector_private.queue_audit(a.id, now() + interval '5 seconds')
  from s3_connector.audits a join s3_connector.connectors c on c.name = a.connector_name
  where a.id = audit_id and a.finished_at is null and s3_connector_private.belongs_elsewhere(c.owner, new_worker_id);
  return query update s3_connector.audits a set worker_id = new_worker_id
  from s3_connector.connectors c
  where a.id = audit_id and a.finished_at is null and c.name = a.connector_name and c.state = 'running'
    and not exists (select from s3_connector_private.outages o where o.connector_name = c.name)
    and not s3_connector_private.belongs_elsewhere(c.owner, new_worker_id)
  returning c.name, a.id, a.marker, a.position;
end;
$$;
comment on function s3_connector_private.resume_audit(bigint, integer) is
  'Assigns a scheduled audit to a worker and returns it. No row if it is finished, or its connector is paused or waits for its bucket.';

create or replace function s3_connector_private.remove_unseen(audit s3_connector.audits, seen jsonb, new_position text)
returns void language sql set search_path = pg_catalog, pg_temp as $$
  delete from s3_connector.late_files l
  where l.connector_name = audit.connector_name
    and (audit.position is null or l.key > audit.position)
    and (new_position is null or l.key <= new_position collate "C")
    -- What was noted since the page was listed may be newer than the page. Keys beyond the audit's marker are late only if they
    -- were noted since it began: before, the marker was set back.
    and l.seen_at < case when l.key <= audit.marker then audit.compared_at else audit.started_at end
    -- Those that were overwritten are beyond what it looks at. No poll would note them again.
    and (l.reason = 'late' or l.key <= audit.marker)
    and not exists (select from jsonb_to_recordset(seen) as o (key text collate "C") where o.key = l.key);
$$;
comment on function s3_connector_private.remove_unseen(s3_connector.audits, jsonb, text) is
  'Removes the keys from late_files that an audit should have seen between its position and the new one (null: the end), and did not see.';

create or replace function s3_connector_private.commit_audit_page(
  audit_id bigint,
  expected_position text,
  objects jsonb,
  new_position text,
  new_keys_listed bigint,
  new_list_requests bigint
)
returns boolean language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  connector s3_connector.connectors;
  audit s3_connector.audits;
  seen jsonb;
  late bigint;
  overwritten bigint;
begin
  -- In a copy of the database this pauses the connector, so that the audit admits nothing.
  perform s3_connector_private.pause_if_copied();
  select * into connector from s3_connector.connectors c
  where c.name = (select a.connector_name from s3_connector.audits a where a.id = audit_id) for share;
  -- Every session that changes late_files and then the queue locks it first, so that no two wait for each other.
  perform from s3_connector_private.progress p where p.connector_name = connector.name for update;
  select * into audit from s3_connector.audits a
  where a.id = audit_id and a.finished_at is null and a.position is not distinct from expected_position
    and (a.asked or connector.state = 'running')
  for update;
  if not found then
    return false;
  end if;
  -- The marker may have been set back since the audit began.
  select coalesce(jsonb_agg(o.object), '[]') into seen from jsonb_array_elements(objects) as o (object)
  where (o.object ->> 'key') collate "C" <= s3_connector_private.last_passed_key(connector.name);
  perform s3_connector_private.remove_unseen(audit, seen, new_position);
  perform s3_connector_private.note_keys(connector.name, seen, audit.id);
  select count(*) filter (where l.reason = 'late'), count(*) filter (where l.reason = 'overwritten') into late, overwritten
  from jsonb_to_recordset(seen) as o (key text collate "C")
  join s3_connector.late_files l on l.connector_name = connector.name and l.key = o.key;
  if late + overwritten > 0 then
    perform s3_connector_private.admit_noted(connector.name);
  end if;
  update s3_connector.audits a set
    position = coalesce(new_position, a.marker),
    compared_at = clock_timestamp(),
    keys_listed = a.keys_listed + new_keys_listed,
    keys_matched = a.keys_matched + jsonb_array_length(seen),
    keys_late = a.keys_late + late,
    keys_overwritten = a.keys_overwritten + overwritten,
    list_requests = a.list_requests + new_list_requests,
    error_code = null, error = null, failed_tries = 0, next_try_at = null
  where a.id = audit_id;
  return true;
end;
$$;
comment on function s3_connector_private.commit_audit_page(bigint, text, jsonb, text, bigint, bigint) is
  'Compares a page of matching objects with the files, notes and admits what it finds, and moves the audit''s position. A null position: the walk has ended. Returns false, with nothing done, if the audit was ended or moved, or its connector was paused.';

create or replace function s3_connector_private.finish_audit(
  audit_id bigint, new_list_requests bigint, new_error_code text default null, new_error text default null
)
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  audited text;
begin
  -- The lock order needs the connector and its progress first. A recheck, or the poll that stops the connector, may follow.
  select c.name into audited from s3_connector.connectors c
  where c.name = (select a.connector_name from s3_connector.audits a where a.id = audit_id) for share;
  perform from s3_connector_private.progress p where p.connector_name = audited for update;
  update s3_connector.audits a set
    finished_at = now(), worker_id = null, next_try_at = null,
    list_requests = a.list_requests + new_list_requests, error_code = new_error_code, error = new_error
  where a.id = audit_id and a.finished_at is null;
  perform s3_connector_private.start_recheck(audited);
  perform s3_connector_private.poll_if_idle(audited);
end;
$$;
comment on function s3_connector_private.finish_audit(bigint, bigint, text, text) is
  'Ends an audit, with an error if it failed. Starts the recheck that waited for it, if there is one.';

create or replace function s3_connector_private.postpone_audit(
  audit_id bigint, new_list_requests bigint, new_error_code text, new_error text
)
returns void language sql set search_path = pg_catalog, pg_temp as $$
  update s3_connector.audits a set
    worker_id = null, list_requests = a.list_requests + new_list_requests,
    error_code = new_error_code, error = new_error,
    failed_tries = a.failed_tries + 1,
    next_try_at = now() + s3_connector_private.backoff(a.failed_tries + 1, 3600)
  where a.id = audit_id and a.finished_at is null;
  select s3_connector_private.queue_audit(a.id, a.next_try_at)
  from s3_connector.audits a where a.id = audit_id and a.finished_at is null;
$$;
comment on function s3_connector_private.postpone_audit(bigint, bigint, text, text) is
  'Records why a scheduled audit could not continue, and queues its next try, with backoff up to an hour.';

create or replace function s3_connector_private.answer_audit(request_id bigint, audit_id bigint)
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  perform s3_connector_private.answer(request_id, jsonb_build_object('notices', jsonb_build_array(jsonb_build_object(
    'message', format('%s keys listed up to the marker, %s match: %s late, %s overwritten',
      a.keys_listed, a.keys_matched, a.keys_late, a.keys_overwritten),
    'hint', case
      when (a.keys_late > 0 and c.late_keys <> 'import') or (a.keys_overwritten > 0 and c.on_overwrite <> 'reimport') then
        format('See them: select * from s3_connector.late_files; Import them: select s3_connector.import_late(%L);', c.name)
      when a.keys_late + a.keys_overwritten > 0 then
        'They are imported as places in the queue become free, because of late_keys and on_overwrite.'
    end
  ))))
  from s3_connector.audits a join s3_connector.connectors c on c.name = a.connector_name
  where a.id = audit_id;
end;
$$;
comment on function s3_connector_private.answer_audit(bigint, bigint) is 'Answers a request with what its audit found.';
