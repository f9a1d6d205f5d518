-- Changing which keys a paused connector takes.

create or replace function s3_connector_private.forget_left_out()
returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  elsewhere boolean := (new.bucket, new.endpoint) is distinct from (old.bucket, old.endpoint);
  taken text := s3_connector_private.glob_regex(new.pattern);
  left_out text := s3_connector_private.left_out_regex(new);
begin
  -- An import that ends locks it before it removes what is noted about its file.
  perform from s3_connector_private.progress p where p.connector_name = new.name for update;
  delete from s3_connector.late_files l
  where l.connector_name = new.name and (elsewhere or l.key !~ taken or l.key ~ left_out);
  return null;
end;
$$;
comment on function s3_connector_private.forget_left_out() is
  'Deletes the late and overwritten keys that a changed connector no longer takes, or that are in another bucket.';

create or replace trigger forget_left_out
  after update of bucket, endpoint, pattern, exclude, include_hidden on s3_connector.connectors
  for each row when (
    (old.bucket, old.endpoint, old.pattern, old.exclude, old.include_hidden)
      is distinct from (new.bucket, new.endpoint, new.pattern, new.exclude, new.include_hidden))
  execute function s3_connector_private.forget_left_out();
