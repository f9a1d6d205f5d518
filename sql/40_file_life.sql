-- The life of a file. Every change of status, whoever makes it, is a row of file_history.

create or replace function s3_connector_private.record_history()
returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  insert into s3_connector_private.file_history (file_id, from_status, to_status, at, seconds, attempt, message)
  values (
    new.id,
    case tg_op when 'UPDATE' then old.status end,
    new.status,
    new.status_since,
    case tg_op when 'UPDATE' then extract(epoch from new.status_since - old.status_since) end,
    new.attempts,
    case when new.error_code is not null then new.error_code || ': ' || new.error_message end
  );
  return null;
end;
$$;
comment on function s3_connector_private.record_history() is 'Writes a file''s change of status to file_history.';

create or replace function s3_connector_private.stamp_status()
returns trigger language plpgsql as $$
begin
  -- The clock and not the transaction's start: a status may last less than the transaction that ends it.
  new.status_since := clock_timestamp();
  new.finished_at := case
    when new.status in ('success', 'failure', 'cancelled', 'undone') then new.status_since
  end;
  return new;
end;
$$;
comment on function s3_connector_private.stamp_status() is 'Notes when a file came into its status, and when it ended.';

create or replace trigger stamp_status
  before update of status on s3_connector.files
  for each row execute function s3_connector_private.stamp_status();

create or replace trigger record_history
  after insert or update of status on s3_connector.files
  for each row execute function s3_connector_private.record_history();

create or replace function s3_connector_private.tracked_files(connector_name text)
returns bigint language sql stable as $$
  select count(*) from s3_connector.files f
  where f.connector_name = tracked_files.connector_name
    and f.status in ('in_queue', 'running', 'pending_retry', 'paused');
$$;
comment on function s3_connector_private.tracked_files(text) is
  'How many files of the connector have not ended, which max_tracked_files bounds.';

create or replace function s3_connector_private.queue_files(file_ids bigint[])
returns bigint language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  queued bigint[];
begin
  with queued_files as (
    update s3_connector.files f
    set status = case c.state when 'running' then 'in_queue' else 'paused' end::s3_connector.file_status,
      attempts = 0, attempt_id = null, queued_at = now(), next_attempt_at = null,
      error_code = null, error_message = null, rows_read = null, rows_imported = null, rows_rejected = null, rows_skipped = null
    from s3_connector.connectors c
    where f.id = any (file_ids) and c.name = f.connector_name
    returning f.id
  )
  select array_agg(id) into queued from queued_files;
  -- A retry that was to come later comes now.
  perform s3_connector_private.remove_import_jobs(c.connector_name, queued)
  from (select distinct f.connector_name from s3_connector.files f where f.id = any (queued)) c;
  perform s3_connector_private.add_import_jobs(array(
    select f.id from s3_connector.files f where f.id = any (queued) and f.status = 'in_queue'
  ));
  return coalesce(cardinality(queued), 0);
end;
$$;
comment on function s3_connector_private.queue_files(bigint[]) is
  'Puts files into the queue as if new (paused, where their connector is); returns how many.';
