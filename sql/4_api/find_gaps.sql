-- Finds missing hours or days in keys that contain a time.

create or replace function s3_connector.find_gaps(
  name text, pattern text, step interval default null, since timestamptz default null, until timestamptz default null
)
returns table (expected_from timestamptz, expected_to timestamptz, expected_prefix text)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp set timezone = 'UTC' as $$
declare
  p record;
  bounds record;
  regex text;
  literal_tail text;
  every interval;
  start timestamptz;
begin
  if not exists (select from s3_connector.connectors c where c.name = find_gaps.name) then
    perform s3_connector_private.require_connector(name);
  end if;
  select * into p from s3_connector_private.dated_pattern(pattern);
  every := coalesce(step, p.shortest);
  if every < p.shortest then
    perform s3_connector_import.refuse(format('step must be at least the last unit in the pattern, %s', p.shortest), step::text,
      'Give a longer step, or null for that unit. With a shorter one, several steps would have the same prefix.');
  end if;
  select * into bounds from s3_connector_private.dated_bounds(name, pattern);
  regex := s3_connector_private.glob_regex(s3_connector_private.dated_glob(pattern));
  -- A start within a unit is moved back to the start of that unit.
  start := coalesce(s3_connector_private.time_in_key(p.head || s3_connector_private.dated_text(p.dated, since), p.head, p.dated), bounds.first);
  literal_tail := (regexp_match(p.tail, '^[^*?[{\\]*'))[1];

  return query
    select s.at, s.at + every, p.head || s.dated || literal_tail
    from (
      select g.at, s3_connector_private.dated_text(p.dated, g.at) as dated, s3_connector_private.dated_text(p.dated, g.at + every) as next
      from generate_series(start, coalesce(until, bounds.last), every) as g (at)
      where until is null or g.at + every <= until
    ) s
    where (
      -- One index lookup per step.
      select f.key from s3_connector.files f
      where f.connector_name = find_gaps.name
        and f.key >= p.head || s.dated and f.key < p.head || s.next and f.key ~ regex
      order by f.key limit 1
    ) is null
    order by s.at;
end;
$$;
comment on function s3_connector.find_gaps(text, text, interval, timestamptz, timestamptz) is
  'Returns the hours, days or other units for which the connector has no file in any status. pattern: a glob with {YYYY}, {MM}, {DD}, {HH}, {MI}, {SS} in UTC, such as logs/{YYYY}/{MM}/{DD}/{HH}/*; its last unit counts. step: how often files come, if less often than that unit. since, until: the range; null: from the first to the last key.';
