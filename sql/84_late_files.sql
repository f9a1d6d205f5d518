-- What becomes of the keys that an audit found.

create or replace function s3_connector_private.closing_brace(pattern text, opening integer)
returns integer language plpgsql immutable parallel safe as $$
declare
  depth integer := 0;
  has_comma boolean := false;
  i integer := opening;
begin
  while i <= length(pattern) loop
    case substr(pattern, i, 1)
      when '\' then i := i + 1;
      when '{' then depth := depth + 1;
      when ',' then has_comma := has_comma or depth = 1;
      when '}' then
        depth := depth - 1;
        if depth = 0 then
          return case when has_comma then i end;
        end if;
      else null;
    end case;
    i := i + 1;
  end loop;
  return null;
end;
$$;
comment on function s3_connector_private.closing_brace(text, integer) is
  'Where the choice ends that begins with the brace at this place of a glob; null where it is no choice, as {a}.';

create or replace function s3_connector_private.glob_regex(pattern text)
returns text language plpgsql immutable parallel safe as $$
declare
  glob text := pattern || case when pattern like '%/' then '*' else '' end;
  regex text := '';
  -- Places of the braces that end the choices we are in, innermost last.
  closing integer[] := '{}';
  part text[];
  i integer := 1;
  c text;
begin
  while i <= length(glob) loop
    c := substr(glob, i, 1);
    part := null;
    if c = '*' then
      part := regexp_match(substr(glob, i), '^\*+');
      -- Two stars cross folders only where they are all of a folder's name.
      if part[1] = '**'
        and (i = 1 or substr(glob, i - 1, 1) = '/' or (closing <> '{}' and substr(glob, i - 1, 1) in ('{', ',')))
        and (substr(glob, i + 2, 1) in ('', '/', '{') or (closing <> '{}' and substr(glob, i + 2, 1) in ('}', ','))) then
        regex := regex || case when substr(glob, i + 2, 1) = '/' then '(?:.*/)?' else '.*' end;
        i := i + case when substr(glob, i + 2, 1) = '/' then 1 else 0 end;
      else
        regex := regex || '[^/]*';
      end if;
    elsif c = '?' then
      regex := regex || '[^/]';
    elsif c = '[' then
      part := regexp_match(substr(glob, i), '^\[([!^]?)(\]?(?:\\.|[^\]\\])*)\]');
      if part[2] is not null then
        regex := regex || case when part[1] = '' then '[' || part[2] else '[^' || part[2] || '/' end || ']';
        part := array['[' || part[1] || part[2] || ']'];
      else
        regex := regex || '\[';
      end if;
    elsif c = '{' and s3_connector_private.closing_brace(glob, i) is not null then
      closing := closing || s3_connector_private.closing_brace(glob, i);
      regex := regex || '(?:';
    elsif c = '}' and closing[cardinality(closing)] = i then
      closing := trim_array(closing, 1);
      regex := regex || ')';
    elsif c = ',' and closing <> '{}' then
      regex := regex || '|';
    else
      if c = '\' and i < length(glob) then
        part := array[substr(glob, i, 2)];
        c := substr(glob, i + 1, 1);
      end if;
      regex := regex || case when c ~ '[[:punct:]]' then '\' else '' end || c;
    end if;
    i := i + coalesce(length(part[1]), 1);
  end loop;
  return '^(?:' || regex || ')$';
end;
$$;
comment on function s3_connector_private.glob_regex(text) is
  'A glob as the regular expression that matches the same keys, in the way that the workers read globs (src/glob.ts).';

create or replace function s3_connector_private.admit_late(late_keys text[], connector s3_connector.connectors)
returns bigint language plpgsql as $$
declare
  admitted bigint[];
begin
  with inserted as (
    insert into s3_connector.files (connector_name, key, etag, size_bytes, last_modified, status)
    select l.connector_name, l.key, l.etag, l.size_bytes, l.last_modified,
      case connector.state when 'running' then 'in_queue' else 'paused' end::s3_connector.file_status
    from s3_connector.late_files l
    where l.connector_name = connector.name and l.key = any (late_keys) and l.reason = 'late'
    order by l.key
    on conflict do nothing
    returning id
  )
  select array_agg(id) into admitted from inserted;
  if connector.state = 'running' then
    perform s3_connector_private.add_import_jobs(admitted);
  end if;
  -- Also those that somebody else has tracked since the audit.
  delete from s3_connector.late_files l
  where l.connector_name = connector.name and l.key = any (late_keys) and l.reason = 'late';
  return coalesce(cardinality(admitted), 0);
end;
$$;
comment on function s3_connector_private.admit_late(text[], s3_connector.connectors) is
  'Makes files of late keys and queues them (paused, where the connector is); returns how many are new.';

create or replace function s3_connector_private.reimport_overwritten(overwritten_keys text[], connector s3_connector.connectors)
returns bigint language plpgsql as $$
declare
  overwritten_key text;
begin
  if cardinality(overwritten_keys) > 0 and connector.file_id_column is null then
    raise notice '% overwritten files are left as they are: their old rows cannot be told apart', cardinality(overwritten_keys)
      using hint = 'Only a connector with file_id_column can take the rows of one file out of the table again.';
    return 0;
  end if;
  if cardinality(overwritten_keys) > 0 and to_regprocedure('s3_connector.reimport_file(text, text)') is null then
    raise notice '% overwritten files are left as they are: this version cannot import a file again', cardinality(overwritten_keys);
    return 0;
  end if;
  foreach overwritten_key in array overwritten_keys loop
    perform s3_connector.reimport_file(connector.name, overwritten_key);
  end loop;
  delete from s3_connector.late_files l
  where l.connector_name = connector.name and l.key = any (overwritten_keys) and l.reason = 'overwritten';
  return cardinality(overwritten_keys);
end;
$$;
comment on function s3_connector_private.reimport_overwritten(text[], s3_connector.connectors) is
  'Imports overwritten files again in place of their old rows, where file_id_column tells those; returns how many.';

create or replace function s3_connector.import_late(name text, pattern text default '**')
returns bigint language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  connector s3_connector.connectors := s3_connector_private.require_connector(name);
  late_keys text[];
  overwritten_keys text[];
  regex text := s3_connector_private.glob_regex(pattern);
begin
  select
    array_agg(l.key order by l.key) filter (where l.reason = 'late'),
    array_agg(l.key order by l.key) filter (where l.reason = 'overwritten')
  into late_keys, overwritten_keys
  from s3_connector.late_files l
  where l.connector_name = connector.name and l.key ~ regex;
  return s3_connector_private.admit_late(coalesce(late_keys, '{}'), connector)
    + s3_connector_private.reimport_overwritten(coalesce(overwritten_keys, '{}'), connector);
end;
$$;
comment on function s3_connector.import_late(text, text) is
  'Imports what audit found and the pattern matches: late keys, and overwritten ones in place of their old rows where file_id_column tells those. Returns how many files it queued.';
