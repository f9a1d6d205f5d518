-- The glob matcher of SQL: translates a "pattern" into a regular expression.

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
  'Returns the regular expression that matches the same keys as a glob. It must agree with the workers'' matcher (src/glob/).';
