-- Effects of changing or deleting a connector on its scheduled audits.

create or replace function s3_connector_private.scheduled_audits(connector_name text, with_recheck boolean default true)
returns bigint[] language sql stable set search_path = pg_catalog, pg_temp as $$
  select array(
    select a.id from s3_connector.audits a
    where a.connector_name = scheduled_audits.connector_name and a.finished_at is null and not a.asked and (with_recheck or not a.recheck)
  );
$$;
comment on function s3_connector_private.scheduled_audits(text, boolean) is
  'Returns the connector''s unfinished audit by schedule and its unfinished recheck, if it has them.';

create or replace function s3_connector_private.restart_audit()
returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  -- A recheck has nothing to do with the schedule, nor with keys up to start_after.
  unfinished bigint[] := s3_connector_private.scheduled_audits(
    new.name, with_recheck => (old.bucket, old.endpoint, old.pattern, old.exclude, old.include_hidden)
      is distinct from (new.bucket, new.endpoint, new.pattern, new.exclude, new.include_hidden)
  );
begin
  -- Its position belongs to the earlier listing.
  delete from s3_connector.audits a where a.id = any (unfinished);
  update s3_connector_private.progress p
  set next_audit_at = case
      when new.audit_schedule is distinct from old.audit_schedule then null
      when new.audit_schedule is not null and unfinished <> '{}' then now()
      else p.next_audit_at
    end
  where p.connector_name = new.name;
  perform s3_connector_private.remove_audit_job(id) from unnest(unfinished) as id;
  return null;
end;
$$;
comment on function s3_connector_private.restart_audit() is
  'Deletes the unfinished scheduled audit of a connector whose keys or audit_schedule changed. With the same audit_schedule, another one starts at once.';

create or replace trigger restart_audit
  after update of bucket, endpoint, pattern, exclude, include_hidden, start_after, audit_schedule on s3_connector.connectors
  for each row when (
    (old.bucket, old.endpoint, old.pattern, old.exclude, old.include_hidden, old.start_after, old.audit_schedule)
    is distinct from (new.bucket, new.endpoint, new.pattern, new.exclude, new.include_hidden, new.start_after, new.audit_schedule)
  )
  execute function s3_connector_private.restart_audit();

create or replace function s3_connector_private.remove_audit_jobs()
returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform s3_connector_private.remove_audit_job(id) from unnest(s3_connector_private.scheduled_audits(old.name)) as id;
  return old;
end;
$$;
comment on function s3_connector_private.remove_audit_jobs() is
  'Removes the job of a deleted connector''s scheduled audit from the queue.';

create or replace trigger remove_jobs_of_audits
  before delete on s3_connector.connectors
  for each row execute function s3_connector_private.remove_audit_jobs();
