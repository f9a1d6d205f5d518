-- start_after may be changed while paused, as between two previews.

create or replace function s3_connector_private.move_start()
returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  -- Where the marker has moved on since, it stays: keys between the two are late_files to audit, for import_late.
  update s3_connector_private.progress p set marker = new.start_after, scan_position = null, backlog = true
  where p.connector_name = new.name
    and (p.marker is not distinct from old.start_after or p.marker < new.start_after);
  return null;
end;
$$;
comment on function s3_connector_private.move_start() is
  'Moves the marker along with start_after, as long as nothing was enqueued since; otherwise forward only.';

create or replace trigger move_start
  after update of start_after on s3_connector.connectors
  for each row when (old.start_after is distinct from new.start_after)
  execute function s3_connector_private.move_start();
