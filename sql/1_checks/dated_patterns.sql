-- The private part of find_gaps. "Dated pattern": a glob with units of time, such as {YYYY}/{MM}.

create or replace function s3_connector_private.dated_pattern(pattern text)
returns table (head text, dated text, tail text, shortest interval) language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
declare
  -- Names as in to_char, longest unit first.
  units text[] := '{YYYY,MM,DD,HH,MI,SS}';
  lengths interval[] := '{1 year,1 month,1 day,1 hour,1 minute,1 second}';
  found text[] := array(select m[1] from regexp_matches(pattern, '\{(YYYY|MM|DD|HH|MI|SS)\}', 'g') m);
begin
  if pattern is null or found = '{}' or found <> units[:cardinality(found)] then
    perform s3_connector_import.refuse(
      'pattern must have {YYYY}, and then may have {MM}, {DD}, {HH}, {MI}, {SS}, each once and in this order', pattern,
      'Example: logs/{YYYY}/{MM}/{DD}/{HH}/*. Keys sort by time only if longer units come first.');
  end if;
  head := (regexp_match(pattern, '^(.*?)\{YYYY\}'))[1];
  tail := (regexp_match(pattern, '^.*\{(?:YYYY|MM|DD|HH|MI|SS)\}(.*)$'))[1];
  dated := substr(pattern, length(head) + 1, length(pattern) - length(head) - length(tail));
  if head || regexp_replace(dated, '\{(YYYY|MM|DD|HH|MI|SS)\}', '', 'g') ~ '[*?[{\\]' then
    perform s3_connector_import.refuse('pattern must have no wildcards before the last unit of time', pattern,
      'Example: logs/{YYYY}/{MM}/{DD}/{HH}/*. The text before the last unit must be the same in every key.');
  end if;
  shortest := lengths[cardinality(found)];
  return next;
end;
$$;
comment on function s3_connector_private.dated_pattern(text) is
  'Returns the parts of a dated pattern: before the first unit (head), the units (dated), after the last unit (tail), and the length of the last unit. Refuses a pattern whose keys do not sort by time.';

create or replace function s3_connector_private.dated_text(dated text, at timestamptz)
returns text language sql stable
return replace(replace(replace(replace(replace(replace(dated,
    '{YYYY}', to_char(at at time zone 'UTC', 'YYYY')), '{MM}', to_char(at at time zone 'UTC', 'MM')),
    '{DD}', to_char(at at time zone 'UTC', 'DD')), '{HH}', to_char(at at time zone 'UTC', 'HH24')),
    '{MI}', to_char(at at time zone 'UTC', 'MI')), '{SS}', to_char(at at time zone 'UTC', 'SS'));
comment on function s3_connector_private.dated_text(text, timestamptz) is
  'Returns the dated part of a pattern with its units replaced by a time, in UTC.';

create or replace function s3_connector_private.time_in_key(key text, head text, dated text)
returns timestamptz language plpgsql immutable set timezone = 'UTC' set search_path = pg_catalog, pg_temp as $$
declare
  units text[] := array(select m[1] from regexp_matches(dated, '\{(YYYY|MM|DD|HH|MI|SS)\}', 'g') m);
  regex text := '^' || regexp_replace(dated, '([^[:alnum:]{}])', '\\\1', 'g');
  part integer[];
begin
  regex := regexp_replace(replace(regex, '{YYYY}', '(\d{4})'), '\{(MM|DD|HH|MI|SS)\}', '(\d\d)', 'g');
  part := regexp_match(substr(key, length(head) + 1), regex);
  return make_timestamptz(part[1], coalesce(part[2], 1), coalesce(part[3], 1), coalesce(part[4], 0), coalesce(part[5], 0), coalesce(part[6], 0));
-- Not a valid time, such as month 13.
exception when data_exception then
  return null;
end;
$$;
comment on function s3_connector_private.time_in_key(text, text, text) is
  'Returns the time in a key, at the position of a pattern''s units; null if there is none.';

create or replace function s3_connector_private.dated_bounds(connector_name text, pattern text)
returns table (first timestamptz, last timestamptz) language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  p record;
  regex text;
begin
  select * into p from s3_connector_private.dated_pattern(pattern);
  regex := s3_connector_private.glob_regex(s3_connector_private.dated_glob(pattern));
  -- Scans the index from both ends, and skips keys without a valid time.
  select s3_connector_private.time_in_key(f.key, p.head, p.dated) into first from s3_connector.files f
  where f.connector_name = dated_bounds.connector_name and f.key >= p.head || '0' and f.key < p.head || ':'
    and f.key ~ regex and s3_connector_private.time_in_key(f.key, p.head, p.dated) is not null
  order by f.key limit 1;
  select s3_connector_private.time_in_key(f.key, p.head, p.dated) into last from s3_connector.files f
  where f.connector_name = dated_bounds.connector_name and f.key >= p.head || '0' and f.key < p.head || ':'
    and f.key ~ regex and s3_connector_private.time_in_key(f.key, p.head, p.dated) is not null
  order by f.key desc limit 1;
  return next;
end;
$$;
comment on function s3_connector_private.dated_bounds(text, text) is
  'Returns the times of the first and the last key of a connector that a dated pattern matches.';

create or replace function s3_connector_private.dated_glob(pattern text)
returns text language sql immutable parallel safe set search_path = pg_catalog, pg_temp as $$
  select regexp_replace(
    replace(pattern, '{YYYY}', '[0-9][0-9][0-9][0-9]'), '\{(MM|DD|HH|MI|SS)\}', '[0-9][0-9]', 'g'
  );
$$;
comment on function s3_connector_private.dated_glob(text) is 'Returns a dated pattern as a glob.';
