-- Changing start_after of a paused connector, for example between two previews.

create or replace function s3_connector_private.move_start()
returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  -- A marker that files have moved stays. audit reports the keys in between as late, and import_late imports them.
  perform s3_connector_private.allow_marker_back(new.name);
  update s3_connector_private.progress p set marker = new.start_after
  where p.connector_name = new.name
    and (p.marker is not distinct from old.start_after or p.marker < new.start_after);
  perform s3_connector_private.allow_marker_back(null);
  perform s3_connector_private.forget_listing(new.name);
  return null;
end;
$$;
comment on function s3_connector_private.move_start() is
  'Moves the marker to the new start_after. If files were enqueued since, it moves it forward only.';

create or replace trigger move_start
  after update of start_after on s3_connector.connectors
  for each row when (old.start_after is distinct from new.start_after)
  execute function s3_connector_private.move_start();
