-- The database refused an import's session, for example because there are too many connections. That is no fault of the file.

create or replace function s3_connector_private.return_attempt(
  file_id bigint, returned_attempt_id bigint, new_error_code text, new_error_message text, retry_in interval
)
returns s3_connector.file_status language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  returned s3_connector.files :=
    s3_connector_private.take_back_attempt(file_id, returned_attempt_id, new_error_code, new_error_message);
begin
  if returned.status = 'in_queue' then
    update s3_connector.files f set next_attempt_at = now() + retry_in where f.id = returned.id;
    perform s3_connector_private.add_retry_job(returned.id, now() + retry_in);
  end if;
  return returned.status;
end;
$$;
comment on function s3_connector_private.return_attempt(bigint, bigint, text, text, interval) is
  'Takes back an attempt that got no session, and queues the file for a later time. Returns the new status; null if the attempt no longer owns the file.';
