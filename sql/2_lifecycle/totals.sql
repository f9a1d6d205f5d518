-- "Totals": files, rows and bytes per connector and status, kept up to date so that nobody counts millions of files.
-- Every statement that changes files adds the difference to total_changes, where transactions do not wait for each other.
-- fold_totals sums it up once a minute. The view current_totals adds up both, so it is always exact. late_totals does the same for
-- late_files, in one table.

create or replace function s3_connector_private.recent_minute(status s3_connector.file_status, finished_at timestamptz)
returns timestamptz language sql stable
return case when status = 'success' and finished_at > now() - interval '25 hours'
  then date_bin('1 minute', finished_at, 'epoch') end;
comment on function s3_connector_private.recent_minute(s3_connector.file_status, timestamptz) is
  'Returns the minute that an import counts for in the totals of the last hour and day; null if it is older, or not a success.';

create or replace function s3_connector_private.rows_that_count(status s3_connector.file_status, replaces text[], rows bigint)
returns bigint language sql immutable parallel safe
return case when status = 'success' or replaces is not null then coalesce(rows, 0) else 0 end;
comment on function s3_connector_private.rows_that_count(s3_connector.file_status, text[], bigint) is
  'Returns how many of a file''s imported or rejected rows count: those of its import, or of the earlier one that its next import replaces.';

create or replace function s3_connector_private.record_total_changes()
returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  if tg_op = 'INSERT' then
    insert into s3_connector_private.total_changes (connector_name, status, minute, files, rows, bytes, last_finished_at, rejected)
    select f.connector_name, f.status, s3_connector_private.recent_minute(f.status, f.finished_at), count(*),
      sum(s3_connector_private.rows_that_count(f.status, f.replaces, f.rows_imported)), sum(f.size_bytes), max(f.finished_at),
      sum(s3_connector_private.rows_that_count(f.status, f.replaces, f.rows_rejected))
    from added f group by 1, 2, 3;
  elsif tg_op = 'DELETE' then
    insert into s3_connector_private.total_changes (connector_name, status, minute, files, rows, bytes, rejected)
    select f.connector_name, f.status, s3_connector_private.recent_minute(f.status, f.finished_at), -count(*),
      -sum(s3_connector_private.rows_that_count(f.status, f.replaces, f.rows_imported)), -sum(f.size_bytes),
      -sum(s3_connector_private.rows_that_count(f.status, f.replaces, f.rows_rejected))
    from removed f group by 1, 2, 3;
  else
    insert into s3_connector_private.total_changes (connector_name, status, minute, files, rows, bytes, last_finished_at, rejected)
    select f.connector_name, f.status, s3_connector_private.recent_minute(f.status, f.finished_at), sum(f.sign),
      sum(f.sign * f.rows), sum(f.sign * f.size_bytes),
      max(f.finished_at) filter (where f.sign = 1), sum(f.sign * f.rejected)
    from (
      select connector_name, status, finished_at, s3_connector_private.rows_that_count(status, replaces, rows_imported) as rows,
        s3_connector_private.rows_that_count(status, replaces, rows_rejected) as rejected, size_bytes, 1 as sign from added
      union all
      select connector_name, status, finished_at, s3_connector_private.rows_that_count(status, replaces, rows_imported),
        s3_connector_private.rows_that_count(status, replaces, rows_rejected), size_bytes, -1 from removed
    ) f
    group by 1, 2, 3
    having sum(f.sign) <> 0 or sum(f.sign * f.size_bytes) <> 0 or sum(f.sign * f.rows) <> 0 or sum(f.sign * f.rejected) <> 0;
  end if;
  return null;
end;
$$;
comment on function s3_connector_private.record_total_changes() is
  'Adds the difference that a statement made in files to total_changes.';

create or replace trigger note_added_files
  after insert on s3_connector.files referencing new table as added
  for each statement execute function s3_connector_private.record_total_changes();
create or replace trigger note_changed_files
  after update on s3_connector.files referencing new table as added old table as removed
  for each statement execute function s3_connector_private.record_total_changes();
create or replace trigger note_removed_files
  after delete on s3_connector.files referencing old table as removed
  for each statement execute function s3_connector_private.record_total_changes();

create or replace function s3_connector_private.record_late_changes()
returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  if tg_op = 'INSERT' then
    insert into s3_connector_private.late_totals (connector_name, reason, keys, bytes)
    select l.connector_name, l.reason, count(*), sum(l.size_bytes) from added l group by 1, 2;
  elsif tg_op = 'DELETE' then
    insert into s3_connector_private.late_totals (connector_name, reason, keys, bytes)
    select l.connector_name, l.reason, -count(*), -sum(l.size_bytes) from removed l group by 1, 2;
  else
    insert into s3_connector_private.late_totals (connector_name, reason, keys, bytes)
    select l.connector_name, l.reason, sum(l.sign), sum(l.sign * l.size_bytes)
    from (
      select connector_name, reason, size_bytes, 1 as sign from added
      union all
      select connector_name, reason, size_bytes, -1 from removed
    ) l
    group by 1, 2
    having sum(l.sign) <> 0 or sum(l.sign * l.size_bytes) <> 0;
  end if;
  return null;
end;
$$;
comment on function s3_connector_private.record_late_changes() is
  'Adds the difference that a statement made in late_files to late_totals.';

create or replace trigger count_added_keys
  after insert on s3_connector.late_files referencing new table as added
  for each statement execute function s3_connector_private.record_late_changes();
create or replace trigger count_changed_keys
  after update on s3_connector.late_files referencing new table as added old table as removed
  for each statement execute function s3_connector_private.record_late_changes();
create or replace trigger count_removed_keys
  after delete on s3_connector.late_files referencing old table as removed
  for each statement execute function s3_connector_private.record_late_changes();

create or replace function s3_connector_private.recent_start(seconds integer)
returns timestamptz language sql stable
return case seconds
  when 60 then date_bin('1 minute', now() - interval '1 hour', 'epoch')
  when 600 then date_bin('10 minutes', now() - interval '1 day', 'epoch')
end;
comment on function s3_connector_private.recent_start(integer) is
  'Returns when the last hour (seconds = 60) or the last day (seconds = 600) begins. Older rows are removed.';

create or replace function s3_connector_private.fold_totals()
returns bigint language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  folded_changes bigint;
begin
  begin
    lock table s3_connector_private.recent_totals in share update exclusive mode nowait;
  exception
    when lock_not_available then
      -- Another session is doing it, or vacuums the table.
      return 0;
  end;
  with folded as (
    delete from s3_connector_private.total_changes returning *
  ), by_status as (
    insert into s3_connector_private.totals as t (
      connector_name, status, files, rows, bytes, rows_last_hour, bytes_last_hour, rows_last_day, bytes_last_day,
      last_finished_at, rejected
    )
    select f.connector_name, f.status, sum(f.files), sum(f.rows), sum(f.bytes),
      coalesce(sum(f.rows) filter (where f.minute >= s3_connector_private.recent_start(60)), 0),
      coalesce(sum(f.bytes) filter (where f.minute >= s3_connector_private.recent_start(60)), 0),
      coalesce(sum(f.rows) filter (where f.minute >= s3_connector_private.recent_start(600)), 0),
      coalesce(sum(f.bytes) filter (where f.minute >= s3_connector_private.recent_start(600)), 0),
      max(f.last_finished_at), sum(f.rejected)
    from folded f group by 1, 2
    on conflict (connector_name, status) do update set
      files = t.files + excluded.files, rows = t.rows + excluded.rows, bytes = t.bytes + excluded.bytes,
      rejected = t.rejected + excluded.rejected,
      rows_last_hour = t.rows_last_hour + excluded.rows_last_hour,
      bytes_last_hour = t.bytes_last_hour + excluded.bytes_last_hour,
      rows_last_day = t.rows_last_day + excluded.rows_last_day,
      bytes_last_day = t.bytes_last_day + excluded.bytes_last_day,
      last_finished_at = greatest(t.last_finished_at, excluded.last_finished_at)
  ), by_time as (
    insert into s3_connector_private.recent_totals as r (connector_name, seconds, since, rows, bytes)
    select f.connector_name, width.seconds, date_bin(width.seconds * interval '1 second', f.minute, 'epoch'),
      sum(f.rows), sum(f.bytes)
    from folded f cross join (values (60), (600)) as width (seconds)
    where f.minute >= s3_connector_private.recent_start(width.seconds)
    group by 1, 2, 3
    on conflict (connector_name, seconds, since) do update
    set rows = r.rows + excluded.rows, bytes = r.bytes + excluded.bytes
  )
  select count(*) into folded_changes from folded;

  with expired as (
    delete from s3_connector_private.recent_totals r
    where (r.seconds = 60 and r.since < s3_connector_private.recent_start(60))
      or (r.seconds = 600 and r.since < s3_connector_private.recent_start(600))
    returning *
  )
  update s3_connector_private.totals t set
    rows_last_hour = t.rows_last_hour - e.rows_last_hour, bytes_last_hour = t.bytes_last_hour - e.bytes_last_hour,
    rows_last_day = t.rows_last_day - e.rows_last_day, bytes_last_day = t.bytes_last_day - e.bytes_last_day
  from (
    select connector_name,
      coalesce(sum(rows) filter (where seconds = 60), 0) as rows_last_hour,
      coalesce(sum(bytes) filter (where seconds = 60), 0) as bytes_last_hour,
      coalesce(sum(rows) filter (where seconds = 600), 0) as rows_last_day,
      coalesce(sum(bytes) filter (where seconds = 600), 0) as bytes_last_day
    from expired group by 1
  ) e
  where t.connector_name = e.connector_name and t.status = 'success';

  with folded as (
    delete from s3_connector_private.late_totals t
    where (t.connector_name, t.reason) in (
      select l.connector_name, l.reason from s3_connector_private.late_totals l group by 1, 2 having count(*) > 1 or sum(l.keys) = 0
    )
    returning *
  )
  insert into s3_connector_private.late_totals (connector_name, reason, keys, bytes)
  select f.connector_name, f.reason, sum(f.keys), sum(f.bytes) from folded f group by 1, 2
  having sum(f.keys) <> 0 or sum(f.bytes) <> 0;

  delete from s3_connector_private.totals t
  where t.files = 0 and not exists (select from s3_connector.connectors c where c.name = t.connector_name);
  return folded_changes;
end;
$$;
comment on function s3_connector_private.fold_totals() is
  'Moves total_changes into totals and recent_totals, sums up late_totals, and removes rows older than a day. Returns how many changes it moved.';

create or replace function s3_connector_private.count_late_totals()
returns void language sql set search_path = pg_catalog, pg_temp as $$
  lock table s3_connector.late_files in share mode;
  -- Waits for fold_totals, whose new rows this session would not see.
  lock table s3_connector_private.recent_totals in share update exclusive mode;
  delete from s3_connector_private.late_totals;
  insert into s3_connector_private.late_totals (connector_name, reason, keys, bytes)
  select l.connector_name, l.reason, count(*), sum(l.size_bytes) from s3_connector.late_files l group by 1, 2;
$$;
comment on function s3_connector_private.count_late_totals() is
  'Recomputes the sums of late keys by counting all of them. Locks late_files against changes meanwhile.';

create or replace function s3_connector_private.count_totals()
returns void language sql set search_path = pg_catalog, pg_temp as $$
  -- In the lock order.
  lock table s3_connector.files, s3_connector.late_files in share mode;
  select s3_connector_private.count_late_totals();
  delete from s3_connector_private.totals;
  delete from s3_connector_private.recent_totals;
  delete from s3_connector_private.total_changes;
  insert into s3_connector_private.total_changes (connector_name, status, minute, files, rows, bytes, last_finished_at, rejected)
  select f.connector_name, f.status, s3_connector_private.recent_minute(f.status, f.finished_at), count(*),
    sum(s3_connector_private.rows_that_count(f.status, f.replaces, f.rows_imported)), sum(f.size_bytes), max(f.finished_at),
    sum(s3_connector_private.rows_that_count(f.status, f.replaces, f.rows_rejected))
  from s3_connector.files f group by 1, 2, 3;
$$;
comment on function s3_connector_private.count_totals() is
  'Recomputes the totals by counting all files and late keys. Locks both against changes meanwhile.';

create or replace function s3_connector_private.reset_totals()
returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  -- A truncate of late_files must not lock files after it.
  if tg_table_name = 'files' then
    perform s3_connector_private.count_totals();
  else
    perform s3_connector_private.count_late_totals();
  end if;
  return null;
end;
$$;
comment on function s3_connector_private.reset_totals() is 'Resets the totals after a truncate of files or late_files.';

create or replace trigger reset_totals
  after truncate on s3_connector.files
  for each statement execute function s3_connector_private.reset_totals();
create or replace trigger reset_totals
  after truncate on s3_connector.late_files
  for each statement execute function s3_connector_private.reset_totals();

create or replace view s3_connector_private.current_totals as
  select t.connector_name, t.status, t.files, t.rows, t.bytes,
    t.rows_last_hour, t.bytes_last_hour, t.rows_last_day, t.bytes_last_day, t.last_finished_at, t.rejected
  from s3_connector_private.totals t
  union all
  select d.connector_name, d.status, d.files, d.rows, d.bytes,
    case when d.minute >= s3_connector_private.recent_start(60) then d.rows else 0 end,
    case when d.minute >= s3_connector_private.recent_start(60) then d.bytes else 0 end,
    case when d.minute >= s3_connector_private.recent_start(600) then d.rows else 0 end,
    case when d.minute >= s3_connector_private.recent_start(600) then d.bytes else 0 end,
    d.last_finished_at, d.rejected
  from s3_connector_private.total_changes d
  union all
  -- Subtracts rows that are no longer recent and that fold_totals has not removed yet. Few, unless no worker has run for a while.
  select r.connector_name, 'success', 0, 0, 0, -r.rows, -r.bytes, 0, 0, null, 0
  from s3_connector_private.recent_totals r
  where r.seconds = 60 and r.since < s3_connector_private.recent_start(60)
  union all
  select r.connector_name, 'success', 0, 0, 0, 0, 0, -r.rows, -r.bytes, null, 0
  from s3_connector_private.recent_totals r
  where r.seconds = 600 and r.since < s3_connector_private.recent_start(600);
comment on view s3_connector_private.current_totals is
  'Rows that sum up to the totals per connector and status: totals, plus total_changes, minus rows that are no longer recent.';

create or replace function s3_connector_private.wrong_totals()
returns table (connector_name text, status s3_connector.file_status, counted bigint[], kept bigint[])
language sql stable set search_path = pg_catalog, pg_temp as $$
  with counted as (
    select f.connector_name, f.status, array[
      count(*),
      sum(s3_connector_private.rows_that_count(f.status, f.replaces, f.rows_imported)),
      sum(f.size_bytes),
      sum(s3_connector_private.rows_that_count(f.status, f.replaces, f.rows_rejected)),
      coalesce(sum(f.rows_imported) filter (where f.status = 'success' and f.finished_at >= s3_connector_private.recent_start(60)), 0),
      coalesce(sum(f.size_bytes) filter (where f.status = 'success' and f.finished_at >= s3_connector_private.recent_start(60)), 0),
      coalesce(sum(f.rows_imported) filter (where f.status = 'success' and f.finished_at >= s3_connector_private.recent_start(600)), 0),
      coalesce(sum(f.size_bytes) filter (where f.status = 'success' and f.finished_at >= s3_connector_private.recent_start(600)), 0)
    ]::bigint[] as sums
    from s3_connector.files f group by 1, 2
  ), kept as (
    select t.connector_name, t.status, array[
      sum(t.files), sum(t.rows), sum(t.bytes), sum(t.rejected),
      sum(t.rows_last_hour), sum(t.bytes_last_hour), sum(t.rows_last_day), sum(t.bytes_last_day)
    ]::bigint[] as sums
    from s3_connector_private.current_totals t group by 1, 2
  )
  select coalesce(c.connector_name, k.connector_name), coalesce(c.status, k.status), c.sums, k.sums
  from counted c full join kept k on k.connector_name = c.connector_name and k.status = c.status
  where coalesce(c.sums, array_fill(0, array[8])::bigint[]) <> coalesce(k.sums, array_fill(0, array[8])::bigint[]);
$$;
comment on function s3_connector_private.wrong_totals() is
  'Returns the totals that differ from a count of all files (files, rows, bytes, rejected rows; rows and bytes of the last hour and day). It should return no row.';

create or replace function s3_connector_private.wrong_late_totals()
returns table (connector_name text, reason text, counted bigint, kept bigint)
language sql stable set search_path = pg_catalog, pg_temp as $$
  select connector_name, reason, coalesce(c.keys, 0), coalesce(k.keys, 0)
  from (select l.connector_name, l.reason, count(*) as keys, sum(l.size_bytes) as bytes from s3_connector.late_files l group by 1, 2) c
  full join (
    select t.connector_name, t.reason, sum(t.keys)::bigint as keys, sum(t.bytes) as bytes from s3_connector_private.late_totals t group by 1, 2
  ) k using (connector_name, reason)
  where (coalesce(c.keys, 0), coalesce(c.bytes, 0)) <> (coalesce(k.keys, 0), coalesce(k.bytes, 0));
$$;
comment on function s3_connector_private.wrong_late_totals() is
  'Returns the sums of late_totals that differ from a count of late_files. It should return no row.';
