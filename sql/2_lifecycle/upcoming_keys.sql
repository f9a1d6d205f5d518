-- What polls remember between two listings: "upcoming" keys, which match and follow the marker, but had no place, and the
-- positions from which the next poll lists. Both belong to one marker and one set of keys: see forget_listing.

create or replace function s3_connector_private.waiting_noted_keys(connector s3_connector.connectors, out keys bigint, out bytes bigint)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare
  overwritten record;
begin
  keys := 0;
  bytes := 0;
  if connector.late_keys = 'import' and connector.min_object_age > '0' then
    select count(*), coalesce(sum(l.size_bytes), 0) into keys, bytes
    from s3_connector.late_files l
    where l.connector_name = connector.name and l.reason = 'late' and s3_connector_private.is_old_enough(connector, l.last_modified);
  elsif connector.late_keys = 'import' then
    select coalesce(sum(t.keys), 0), coalesce(sum(t.bytes), 0) into keys, bytes
    from s3_connector_private.late_totals t where t.connector_name = connector.name and t.reason = 'late';
  end if;
  if connector.on_overwrite = 'reimport' then
    select count(*) as keys, coalesce(sum(l.size_bytes), 0) as bytes into overwritten
    from s3_connector.late_files l
    join s3_connector.files f on f.connector_name = l.connector_name and f.key = l.key
    where l.connector_name = connector.name and l.reason = 'overwritten'
      and s3_connector_private.is_old_enough(connector, l.last_modified) and s3_connector_private.is_replaceable(f, l);
    keys := keys + overwritten.keys;
    bytes := bytes + overwritten.bytes;
  end if;
end;
$$;
comment on function s3_connector_private.waiting_noted_keys(s3_connector.connectors) is
  'Returns how many keys in late_files wait for a place, and their bytes: late ones, if the connector imports them, and overwritten ones that it imports again. Counts only where late_totals does not say it.';

-- plpgsql, because each import that ends asks: it keeps the plans.
create or replace function s3_connector_private.noted_keys_wait(connector_name text)
returns boolean language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  connector s3_connector.connectors;
begin
  select * into connector from s3_connector.connectors c where c.name = noted_keys_wait.connector_name;
  if connector.late_keys = 'import' and exists (
    select from s3_connector.late_files l
    where l.connector_name = connector.name and l.reason = 'late' and s3_connector_private.is_old_enough(connector, l.last_modified)
  ) then
    return true;
  end if;
  return connector.on_overwrite = 'reimport' and exists (
    select from s3_connector.late_files l
    join s3_connector.files f on f.connector_name = l.connector_name and f.key = l.key
    where l.connector_name = connector.name and l.reason = 'overwritten'
      and s3_connector_private.is_old_enough(connector, l.last_modified) and s3_connector_private.is_replaceable(f, l)
  );
end;
$$;
comment on function s3_connector_private.noted_keys_wait(text) is
  'Returns whether keys in late_files wait for a place: late ones, if the connector imports them, and overwritten ones that it imports again.';

create or replace function s3_connector_private.has_more(connector_name text)
returns boolean language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  return exists (
    select from s3_connector_private.progress p where p.connector_name = has_more.connector_name and p.backlog
  ) or s3_connector_private.noted_keys_wait(has_more.connector_name);
end;
$$;
comment on function s3_connector_private.has_more(text) is
  'Returns whether the connector has more to enqueue when places become free: a backlog, or noted keys that it imports.';

create or replace function s3_connector_private.look_behind_start(connector_name text)
returns text language sql stable set search_path = pg_catalog, pg_temp as $$
  select case when p.marker is null then '' else least(coalesce(p.look_behind, ledger.key), p.marker) end
  from s3_connector_private.progress p
  join s3_connector.connectors c on c.name = p.connector_name
  left join lateral (
    select case when count(*) > 0 then greatest(min(f.key), c.start_after collate "C") end as key
    from (
      select f.key from s3_connector.files f
      where f.connector_name = p.connector_name and f.key <= p.marker order by f.key desc limit 900
    ) f
    -- Beyond the last file, any number of keys may have been left out: set_marker has moved the marker there.
    where exists (select from s3_connector.files f where f.connector_name = p.connector_name and f.key >= p.marker)
  ) ledger on p.look_behind is null
  where p.connector_name = look_behind_start.connector_name;
$$;
comment on function s3_connector_private.look_behind_start(text) is
  'Returns the key after which a poll without a backlog lists: where the polls before have put it, or else the key of the 900th file before the marker. Empty: from the start.';

create or replace function s3_connector_private.key_rules(connector s3_connector.connectors)
returns jsonb language sql immutable parallel safe set search_path = pg_catalog, pg_temp as $$
  select jsonb_build_object('bucket', connector.bucket, 'endpoint', connector.endpoint, 'pattern', connector.pattern,
    'exclude', connector.exclude, 'include_hidden', connector.include_hidden);
$$;
comment on function s3_connector_private.key_rules(s3_connector.connectors) is
  'Returns the columns of a connector that decide which keys it takes.';

create or replace function s3_connector_private.forget_listing(connector_name text)
returns void language sql set search_path = pg_catalog, pg_temp as $$
  update s3_connector_private.progress p
  set scan_position = null, scan_start = null, scan_look_behind = null, look_behind = null, end_position = null, tail_position = null,
    tail_walked_at = null, ending = null, backlog = true
  where p.connector_name = forget_listing.connector_name;
  delete from s3_connector_private.upcoming_keys u where u.connector_name = forget_listing.connector_name;
$$;
comment on function s3_connector_private.forget_listing(text) is
  'Deletes the upcoming keys and all positions but the marker. Call it when the marker is set, or when other keys may match: the next poll lists from the marker.';

create or replace function s3_connector_private.forget_listing_of_other_keys()
returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform s3_connector_private.forget_listing(new.name);
  -- Keys that match only now would come as late ones.
  update s3_connector_private.progress p set recheck_from = null where p.connector_name = new.name;
  return null;
end;
$$;
comment on function s3_connector_private.forget_listing_of_other_keys() is 'Calls forget_listing for a connector that takes other keys.';

create or replace trigger forget_listing
  after update of bucket, endpoint, pattern, exclude, include_hidden on s3_connector.connectors
  for each row when (
    (old.bucket, old.endpoint, old.pattern, old.exclude, old.include_hidden)
    is distinct from (new.bucket, new.endpoint, new.pattern, new.exclude, new.include_hidden)
  )
  execute function s3_connector_private.forget_listing_of_other_keys();

create or replace function s3_connector_private.enqueue_upcoming(
  connector s3_connector.connectors, out enqueued bigint, out last_key text
)
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  places bigint := s3_connector_private.free_places(connector);
  upcoming jsonb;
begin
  -- What is noted gets half of the places, so that neither waits for the other.
  if s3_connector_private.noted_keys_wait(connector.name) then
    places := (places + 1) / 2;
  end if;
  with taken as (
    delete from s3_connector_private.upcoming_keys u
    where u.connector_name = connector.name and u.key in (
      select n.key from s3_connector_private.upcoming_keys n
      where n.connector_name = connector.name order by n.key limit places
    )
    returning u.key, u.etag, u.size_bytes, u.last_modified
  )
  select jsonb_agg(t), max(t.key) into upcoming, last_key from taken t;
  enqueued := s3_connector_private.add_files(connector, upcoming);
  perform s3_connector_private.admit_noted(connector.name);
end;
$$;
comment on function s3_connector_private.enqueue_upcoming(s3_connector.connectors) is
  'Enqueues upcoming keys in key order, and late keys that the connector imports, as many as there are places. Returns how many upcoming keys it enqueued, and the last one that it took. The caller has locked the connector and its progress, and moves the marker.';

comment on table s3_connector_private.upcoming_keys is '"Upcoming" keys: matching keys after the marker that a poll listed, for which there was no place yet.';
comment on column s3_connector_private.upcoming_keys.etag is 'The object''s ETag when it was listed. An import notices a newer version by itself.';
