-- Checks of the columns that decide which keys a connector takes: pattern, exclude.

create or replace function s3_connector_private.refuse_bad_glob(column_name text, glob text)
returns void language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  -- What shells call extended globs: here they would match only keys with these very characters.
  if glob ~ '(^|[^[\\])!\(' then
    perform s3_connector_private.refuse_setting(column_name, 'not have !(...)', glob,
      'pattern says what to take, and exclude what to leave out, such as array[''**/*.bak'']. To match !( itself, write \!(.');
  end if;
  if glob ~ '[?*+@]\([^()/]*\|[^()/]*\)' then
    perform s3_connector_private.refuse_setting(column_name, 'have its choices between { and }', glob,
      'Write {a,b} instead of @(a|b). To match the characters themselves, put a backslash before the parenthesis: @\(a|b).');
  end if;
  if (glob <> '' and glob not like '/%' and glob not like 's3://%' and octet_length(glob) <= 4096) is not true then
    perform s3_connector_private.refuse_setting(column_name, 'be a glob over keys, such as data/**/*.csv, of at most 4096 bytes', glob,
      'Leave out the leading slash and the bucket. ** matches all keys.');
  end if;
  if s3_connector_private.glob_fault(glob) is not null then
    perform s3_connector_private.refuse_setting(column_name, s3_connector_private.glob_fault(glob), glob,
      'To match a special character itself, put a backslash before it: \[ \{ \*.');
  end if;
end;
$$;
comment on function s3_connector_private.refuse_bad_glob(text, text) is 'Refuses a setting that is not a glob over keys.';

create or replace function s3_connector_private.hidden_name(pattern text)
returns text language sql immutable set search_path = pg_catalog, pg_temp as $$
  select part
  from regexp_split_to_table(
    -- What is within { and } may be one of several choices.
    regexp_replace(substr(pattern, length(s3_connector_private.literal_prefix(pattern)) + 1), '\{.*\}', '*'), '/'
  ) with ordinality as p (part, nr)
  where nr > 1 and part ~ '^(\.|_[^*?[\\=]*$)'
  limit 1;
$$;
comment on function s3_connector_private.hidden_name(text) is
  'Returns a part of a pattern that only hidden keys have, such as _temporary in a/*/_temporary/*; null if there is none.';

create or replace function s3_connector_private.validate_keys(c s3_connector.connectors)
returns void language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  perform s3_connector_private.refuse_bad_glob('pattern', c.pattern);
  if not c.include_hidden and s3_connector_private.hidden_name(c.pattern) is not null then
    perform s3_connector_private.refuse_setting('pattern',
      format('not have a part that begins with _ or a dot after a wildcard, such as %s, unless include_hidden is true', s3_connector_private.hidden_name(c.pattern)),
      c.pattern, 'Such keys are hidden, so nothing would be imported. Set include_hidden to true.');
  end if;
  if c.exclude = '{}' or array_ndims(c.exclude) > 1 or cardinality(c.exclude) > 100 then
    perform s3_connector_private.refuse_setting('exclude', 'be a list of 1 to 100 globs', c.exclude::text,
      'Example: array[''**/*.bak'', ''data/tmp/**'']. Null: none.');
  end if;
  perform s3_connector_private.refuse_bad_glob('exclude', e) from unnest(c.exclude) e;
end;
$$;
comment on function s3_connector_private.validate_keys(s3_connector.connectors) is
  'Refuses a connector whose pattern or exclude is no glob, or whose pattern could match hidden keys only.';
