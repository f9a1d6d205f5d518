-- Checks of a "pattern", a glob over keys. src/glob/parse.ts can parse every pattern that passes here.

create or replace function s3_connector_private.class_fault(class text)
returns text language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
declare
  range text[];
begin
  if regexp_replace(class, '^[!^]', '') = '' then
    return 'have characters between [ and ]';
  end if;
  if class ~ '[\\/[]' then
    return 'not have a slash, a backslash or a [ between [ and ]';
  end if;
  for range in select regexp_matches(regexp_replace(class, '^[!^]', ''), '(.)-(.)', 'g') loop
    if ascii(range[1]) > ascii(range[2]) then
      return format('have the ends of the range %s-%s in ascending order', range[1], range[2]);
    end if;
  end loop;
  return null;
end;
$$;
comment on function s3_connector_private.class_fault(text) is
  'Returns what the text between [ and ] must do to be valid, such as "have characters between [ and ]"; null if it is valid.';

create or replace function s3_connector_private.glob_fault(pattern text)
returns text language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
declare
  at integer := 1;
  closing integer;
  fault text;
  -- The number of commas so far within each open {.
  commas integer[] := '{}';
  depth integer := 0;
begin
  while at <= length(pattern) loop
    case substr(pattern, at, 1)
      when '\' then
        if at = length(pattern) then
          return 'not end in a backslash, which escapes the next character';
        end if;
        at := at + 1;
      when '[' then
        closing := position(']' in substr(pattern, at + 1));
        if closing = 0 then
          return 'close every { and [';
        end if;
        fault := s3_connector_private.class_fault(substr(pattern, at + 1, closing - 1));
        if fault is not null then
          return fault;
        end if;
        at := at + closing;
      when '{' then
        depth := depth + 1;
        commas[depth] := 0;
      when '}' then
        if depth = 0 then
          return 'close every { and [, and open every }';
        end if;
        if commas[depth] = 0 then
          return 'have choices with commas between { and }, such as {csv,csv.gz}';
        end if;
        depth := depth - 1;
      when ',' then
        if depth > 0 then
          commas[depth] := commas[depth] + 1;
        end if;
      when '.' then
        if depth > 0 and substr(pattern, at + 1, 1) = '.' then
          return 'list every choice between { and }; it has no ranges with ..';
        end if;
      else
    end case;
    at := at + 1;
  end loop;
  return case when depth > 0 then 'close every { and [' end;
end;
$$;
comment on function s3_connector_private.glob_fault(text) is
  'Returns what a text must do to be a glob, such as "close every { and ["; null if it is one.';
