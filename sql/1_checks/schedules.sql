-- Checks of a "schedule": a name such as minute or @daily, or five cron fields in UTC. src/schedule.ts computes the next run; it
-- must accept everything that passes here.

create or replace function s3_connector_private.schedule_names()
returns text[] language sql immutable parallel safe
return array['minute', 'hour', '@always', '@hourly', '@daily', '@weekly', '@monthly', '@yearly'];
comment on function s3_connector_private.schedule_names() is 'Returns the names of schedules. src/schedule.ts has their meanings.';

create or replace function s3_connector_private.cron_number(text_value text, lowest integer, names text[])
returns integer language sql immutable parallel safe set search_path = pg_catalog, pg_temp as $$
  select coalesce(
    array_position(names, lower(text_value)) - 1 + lowest,
    case when text_value ~ '^\d{1,2}$' then text_value::integer end
  );
$$;
comment on function s3_connector_private.cron_number(text, integer, text[]) is
  'Returns the number that a part of a cron field means; null if it is neither a number nor one of the names.';

create or replace function s3_connector_private.cron_values(
  field text, lowest integer, highest integer, names text[] default '{}'
)
returns integer[] language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
declare
  item text;
  part text[];
  first integer;
  last integer;
  step integer;
  found integer[] := '{}';
begin
  foreach item in array string_to_array(field, ',') loop
    -- A step needs * or a range: 5/10 means different things to different crons.
    part := regexp_match(item, '^(?:(\*)|(\w+)-(\w+)|(\w+)(?!/))(?:/(\d{1,2}))?$');
    -- A range from a number to a name is not valid.
    if part is null or (part[2] ~ '^\d+$') <> (part[3] ~ '^\d+$') then
      return null;
    end if;
    first := case when part[1] is null then s3_connector_private.cron_number(coalesce(part[2], part[4]), lowest, names) else lowest end;
    last := case
      when part[1] is not null then highest
      when part[4] is not null then first
      -- At the end of a range Sunday is 7, at its start 0.
      when lower(part[3]) = 'sun' then 7
      else s3_connector_private.cron_number(part[3], lowest, names)
    end;
    step := coalesce(part[5]::integer, 1);
    if first is null or last is null or first < lowest or last > highest or first > last or step not between 1 and highest then
      return null;
    end if;
    found := found || array(select generate_series(first, last, step));
  end loop;
  return nullif(found, '{}');
end;
$$;
comment on function s3_connector_private.cron_values(text, integer, integer, text[]) is
  'Returns the values of one cron field (*, numbers, names, ranges, lists, steps); null if the field is not valid.';

create or replace function s3_connector_private.cron_months(field text)
returns integer[] language sql immutable set search_path = pg_catalog, pg_temp as $$
  select s3_connector_private.cron_values(field, 1, 12, '{jan,feb,mar,apr,may,jun,jul,aug,sep,oct,nov,dec}');
$$;
comment on function s3_connector_private.cron_months(text) is 'Returns the values of a cron expression''s fourth field.';

create or replace function s3_connector_private.is_schedule(schedule text)
returns boolean language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
declare
  field text[] := regexp_split_to_array(btrim(schedule), '\s+');
begin
  return schedule = any (s3_connector_private.schedule_names())
    or (cardinality(field) = 5
      and s3_connector_private.cron_values(field[1], 0, 59) is not null
      and s3_connector_private.cron_values(field[2], 0, 23) is not null
      and s3_connector_private.cron_values(field[3], 1, 31) is not null
      and s3_connector_private.cron_months(field[4]) is not null
      and s3_connector_private.cron_values(field[5], 0, 7, '{sun,mon,tue,wed,thu,fri,sat}') is not null);
end;
$$;
comment on function s3_connector_private.is_schedule(text) is
  'Returns whether a text is a schedule: one of schedule_names, or five cron fields.';

create or replace function s3_connector_private.is_ever_due(schedule text)
returns boolean language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
declare
  field text[] := regexp_split_to_array(btrim(schedule), '\s+');
begin
  return cardinality(field) = 1
    -- With a day of the week, a match of either day field is enough.
    or field[5] <> '*'
    or exists (
      select from unnest(s3_connector_private.cron_months(field[4])) month,
        unnest(s3_connector_private.cron_values(field[3], 1, 31)) day
      where day <= (array[31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])[month]
    );
end;
$$;
comment on function s3_connector_private.is_ever_due(text) is
  'Returns whether a schedule is ever due. One on 30 February never is.';
