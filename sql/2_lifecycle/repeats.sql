-- "Repeats": files that a connector would import into a table that has them already, from another connector or from one that was
-- dropped. Each connector has its own record of imported keys, so only a notice can prevent it.

create or replace function s3_connector_private.overlaps(prefix text, pattern text)
returns boolean language sql immutable parallel safe
return starts_with(pattern, prefix) or starts_with(prefix, s3_connector_private.literal_prefix(pattern));
comment on function s3_connector_private.overlaps(text, text) is
  'Returns whether a pattern may match keys below the literal start of another one: one start begins with the other.';

create or replace function s3_connector_private.last_imported_key(connector_name text)
returns text language sql stable set search_path = pg_catalog, pg_temp as $$
  -- Bounded: the last of millions of files may have failed.
  select max(f.key) from (
    select f.connector_name, f.key, f.status from s3_connector.files f
    -- An order that only one index has, so that the limit ends the scan.
    where f.connector_name <= last_imported_key.connector_name order by f.connector_name desc, f.key desc limit 100000
  ) f
  where f.connector_name = last_imported_key.connector_name and f.status = 'success';
$$;
comment on function s3_connector_private.last_imported_key(text) is
  'Returns the last key that a connector has imported, among its last 100,000 files.';

create or replace function s3_connector_private.count_repeats(connector s3_connector.connectors, other text, after text)
returns table (files bigint, at_least boolean) language sql stable set search_path = pg_catalog, pg_temp as $$
  with rules as materialized (
    select s3_connector_private.literal_prefix(connector.pattern) as prefix,
      s3_connector_private.glob_regex(connector.pattern) as taken, s3_connector_private.left_out_regex(connector) as left_out
  ),
  seen as materialized (
    -- An order that only one index has, and no join, so that the limit ends the scan.
    select f.connector_name, f.key, f.status from s3_connector.files f
    where (f.connector_name, f.key) >= (other, (select greatest(r.prefix collate "C", after) from rules r))
    order by f.connector_name, f.key limit 100000
  )
  select count(*) filter (
      where s.connector_name = other and s.key is distinct from after and s.status = 'success' and s.key ~ r.taken and s.key !~ r.left_out
        and not exists (select from s3_connector.files mine where mine.connector_name = connector.name and mine.key = s.key)
    ),
    count(*) filter (where s.connector_name = other and starts_with(s.key, r.prefix)) = 100000
  from seen s, rules r;
$$;
comment on function s3_connector_private.count_repeats(s3_connector.connectors, text, text) is
  'Returns how many files that another connector has imported this one would import too, after a key. Looks at 100,000 files at most. at_least: there may be more.';

create or replace function s3_connector_private.find_repeats(connector s3_connector.connectors)
returns table (files bigint, what text, last_key text) language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  target oid := s3_connector_private.table_oid(connector.target_table);
  prefix text collate "C" := s3_connector_private.literal_prefix(connector.pattern);
  after text collate "C" := (select p.marker from s3_connector_private.progress p where p.connector_name = connector.name);
begin
  -- A table that is not there has no rows.
  if target is null then
    return;
  end if;
  return query
    select r.files, format('%s%s that connector %L has imported', case when r.at_least then 'at least ' end, r.files, o.name),
      s3_connector_private.last_imported_key(o.name)
    from s3_connector.connectors o
    cross join lateral s3_connector_private.count_repeats(connector, o.name, after) r
    where o.bucket = connector.bucket and o.name <> connector.name
      and o.endpoint is not distinct from connector.endpoint
      and s3_connector_private.overlaps(prefix, o.pattern)
      and s3_connector_private.table_oid(o.target_table) = target
      and r.files > 0;
  return query
    select d.files, format('%s%s that connector %L had imported when it was dropped on %s',
        case when d.pattern <> connector.pattern or after is not null then 'up to ' end, d.files, d.name,
        to_char(d.dropped_at at time zone 'UTC', 'YYYY-MM-DD')),
      d.last_key
    from s3_connector_private.dropped_connectors d
    where d.bucket = connector.bucket and d.endpoint is not distinct from connector.endpoint
      and s3_connector_private.overlaps(prefix, d.pattern)
      and coalesce(d.target_oid, s3_connector_private.table_oid(d.target_table)) = target
      and d.last_key >= prefix and (after is null or d.last_key > after);
end;
$$;
comment on function s3_connector_private.find_repeats(s3_connector.connectors) is
  'Returns the other connectors, also dropped ones, whose files in the same table this connector would import again: how many, in words, and the last key.';

create or replace function s3_connector_private.describe_repeats(connector s3_connector.connectors)
returns table (message text, hint text) language sql stable set search_path = pg_catalog, pg_temp as $$
  select format('files would come into %s again: %s', connector.target_table, string_agg(r.what, '; ' order by r.files desc, r.what)),
    'To leave them out: ' || concat_ws(' ',
      case connector.state when 'running' then format('select s3_connector.pause(%L);', connector.name) end,
      format('update s3_connector.connectors set start_after = %L where name = %L;', max(r.last_key collate "C"), connector.name),
      case connector.state when 'running' then format(
        'select s3_connector.resume(%L); To delete the rows of files that were imported until then, see undo_file.', connector.name) end
    )
  from s3_connector_private.find_repeats(connector) r
  having count(*) > 0;
$$;
comment on function s3_connector_private.describe_repeats(s3_connector.connectors) is
  'Returns a notice about the files that a connector would import again, and the start_after that avoids it. No row if there are none.';

create or replace function s3_connector_private.announce_repeats()
returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  connector s3_connector.connectors;
  notice record;
begin
  -- Nobody reads a notice for each row of a bulk insert, and each one searches the connectors of the bucket.
  if (select count(*) from changed) > 20 then
    return null;
  end if;
  for connector in select * from changed order by name loop
    for notice in select * from s3_connector_private.describe_repeats(connector) loop
      raise notice using message = format('connector %L: %s', connector.name, notice.message), hint = notice.hint;
    end loop;
  end loop;
  return null;
end;
$$;
comment on function s3_connector_private.announce_repeats() is
  'Raises a notice for each inserted or changed connector that would import files again. After more than 20 at once, only check says so.';

-- The name sorts after start_connector and move_start, which set the marker.
create or replace trigger warn_of_repeats
  after insert on s3_connector.connectors referencing new table as changed
  for each statement execute function s3_connector_private.announce_repeats();

create or replace function s3_connector_private.announce_changed_repeats()
returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  notice record;
begin
  for notice in select * from s3_connector_private.describe_repeats(new) loop
    raise notice using message = format('connector %L: %s', new.name, notice.message), hint = notice.hint;
  end loop;
  return null;
end;
$$;
comment on function s3_connector_private.announce_changed_repeats() is
  'Raises a notice if a connector that was changed would import files again.';

create or replace trigger warn_of_changed_repeats
  after update of bucket, endpoint, pattern, target_table on s3_connector.connectors
  for each row when (
    (old.bucket, old.endpoint, old.pattern, old.target_table)
      is distinct from (new.bucket, new.endpoint, new.pattern, new.target_table))
  execute function s3_connector_private.announce_changed_repeats();

create or replace function s3_connector_private.remember_dropped()
returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  target oid := s3_connector_private.table_oid(old.target_table);
  imported bigint := (
    select sum(t.files) from s3_connector_private.current_totals t where t.connector_name = old.name and t.status = 'success'
  );
  last_key text := case when imported > 0 then s3_connector_private.last_imported_key(old.name) end;
begin
  if target is not null and last_key is not null then
    delete from s3_connector_private.dropped_connectors d
    where d.bucket = old.bucket and (
      (d.name, d.endpoint, d.pattern, d.target_oid) is not distinct from (old.name, old.endpoint, old.pattern, target)
      -- The rows that came from those files went with their table.
      or not exists (select from pg_class r where r.oid = coalesce(d.target_oid, r.oid))
    );
    insert into s3_connector_private.dropped_connectors (name, bucket, endpoint, pattern, target_table, target_oid, files, last_key)
    values (old.name, old.bucket, old.endpoint, old.pattern, old.target_table, target, imported, last_key);
  end if;
  return old;
end;
$$;
comment on function s3_connector_private.remember_dropped() is
  'Remembers what a connector has imported when it is deleted, for the notices of later ones.';

create or replace trigger remember_dropped
  before delete on s3_connector.connectors
  for each row execute function s3_connector_private.remember_dropped();

comment on table s3_connector_private.dropped_connectors is 'Connectors that were dropped after they had imported files, for notices.';
comment on column s3_connector_private.dropped_connectors.target_oid is 'The oid of the table. Null: found by name, in a copy of the database.';
comment on column s3_connector_private.dropped_connectors.files is 'How many files the connector had imported.';
comment on column s3_connector_private.dropped_connectors.last_key is 'The last key that it had imported.';
