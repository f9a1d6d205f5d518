-- Importing the late and overwritten keys that an audit found. Contains the glob matcher of SQL, glob_regex.

create or replace function s3_connector_private.closing_brace(pattern text, opening integer)
returns integer language plpgsql immutable parallel safe set search_path = pg_catalog, pg_temp as $$
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
  'Returns the position of the } that closes the { at this position of a glob; null if it is not a choice, such as {a}.';

create or replace function s3_connector_private.glob_regex(pattern text)
returns text language plpgsql immutable parallel safe set search_path = pg_catalog, pg_temp as $$
declare
  glob text := pattern || case when pattern like '%/' then '*' else '' end;
  regex text := '';
  -- Positions of the closing braces of all open choices, innermost last.
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
      -- Two stars match across folders only if they are a whole folder name.
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
  'Returns the regular expression that matches the same keys as a glob. It must agree with the workers'' matcher (src/glob.ts).';

create or replace function s3_connector_private.take_overwritten(name text, pattern text)
returns setof text language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  connector s3_connector.connectors := s3_connector_private.require_connector(name);
  regex text := s3_connector_private.glob_regex(pattern);
  left_alone bigint;
begin
  perform from s3_connector.files f
  join s3_connector.late_files l on l.connector_name = f.connector_name and l.key = f.key
  where f.connector_name = connector.name and l.reason = 'overwritten' and l.key ~ regex
  order by f.key for update of f;
  return query
    with taken as (
      delete from s3_connector.late_files l
      using s3_connector.files f
      where l.connector_name = connector.name and l.reason = 'overwritten' and l.key ~ regex
        and f.connector_name = l.connector_name and f.key = l.key
        and (f.lineage is not null or f.status <> 'success')
      returning l.key, f.status = 'success' and f.etag <> l.etag as is_still
    )
    -- A file that was imported or queued again since the audit is only removed from late_files.
    select t.key from taken t where t.is_still order by t.key;
  select count(*) into left_alone from s3_connector.late_files l
  where l.connector_name = connector.name and l.reason = 'overwritten' and l.key ~ regex;
  if left_alone > 0 then
    raise notice '% overwritten files are left as they are: the rows that came from them are not known', left_alone
      using hint = 'Set file_id_column. Only files that were imported with it can be imported again in place of their old rows.';
  end if;
end;
$$;
comment on function s3_connector_private.take_overwritten(text, text) is
  'Removes matching overwritten keys from late_files, if their old rows are known, and returns those to import again.';

create or replace function s3_connector_private.admit_late(name text, pattern text)
returns bigint language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  connector s3_connector.connectors := s3_connector_private.require_connector(name);
  regex text := s3_connector_private.glob_regex(pattern);
  admitted bigint[];
begin
  with late as (
    delete from s3_connector.late_files l
    where l.connector_name = connector.name and l.reason = 'late' and l.key ~ regex
    returning l.key, l.etag, l.size_bytes, l.last_modified
  ),
  inserted as (
    insert into s3_connector.files (connector_name, key, etag, size_bytes, last_modified, status)
    select connector.name, l.key, l.etag, l.size_bytes, l.last_modified,
      case connector.state when 'running' then 'in_queue' else 'paused' end::s3_connector.file_status
    from late l
    order by l.key
    -- A key may have been tracked since the audit.
    on conflict do nothing
    returning id
  )
  select array_agg(id) into admitted from inserted;
  if connector.state = 'running' then
    perform s3_connector_private.add_import_jobs(admitted);
  end if;
  return coalesce(cardinality(admitted), 0);
end;
$$;
comment on function s3_connector_private.admit_late(text, text) is
  'Adds matching late keys to files and queues them (status paused if the connector is). Returns how many are new.';

-- Runs as its caller, like reimport_file: the old rows are deleted with the owner's rights or the caller's own.
create or replace function s3_connector.import_late(name text, pattern text default '**')
returns bigint language sql security invoker
begin atomic
  -- Overwritten files first, because the lock order needs their rows before any job.
  select again.files + s3_connector_private.admit_late(name, pattern)
  from (
    select count(s3_connector.reimport_file(name, o.key)) as files
    from s3_connector_private.take_overwritten(name, pattern) as o (key)
  ) again;
end;
comment on function s3_connector.import_late(text, text) is
  'Imports the keys that audit found and the pattern matches: late ones, and overwritten ones in place of their old rows if those are known (file_id_column). Returns how many files it queued.';
