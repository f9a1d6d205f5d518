-- Which keys a connector takes: those that match its pattern and are neither "hidden" nor excluded. A key is hidden if a part of it
-- begins with _ or a dot, below the literal prefix of the pattern. src/matcher.ts decides the same for workers.

create or replace function s3_connector_private.literal_prefix(pattern text)
returns text language sql immutable parallel safe return substring(pattern from '^[^*?[{\\]*');
comment on function s3_connector_private.literal_prefix(text) is
  'Returns the start of a pattern up to its first wildcard. Inlined, so that queries by it find the index of connectors.';

create or replace function s3_connector_private.left_out_regex(c s3_connector.connectors)
returns text language sql immutable parallel safe set search_path = pg_catalog, pg_temp as $$
  select concat_ws('|',
    -- A placeholder of a folder is no file.
    '/$',
    case when not c.include_hidden then
      -- A part that begins within the prefix does not count. One with _ and = is a Hive partition.
      '^' || regexp_replace(p.prefix, '([[:punct:]])', '\\\1', 'g')
        || case when p.prefix = '' or p.prefix like '%/' then '(?:.*/)?' else '.*/' end || '(?:\.|_[^/=]*(?:/|$))'
    end,
    (select string_agg(s3_connector_private.glob_regex(e), '|') from unnest(c.exclude) e)
  )
  from s3_connector_private.literal_prefix(c.pattern) as p (prefix);
$$;
comment on function s3_connector_private.left_out_regex(s3_connector.connectors) is
  'Returns the regular expression of the keys that a connector leaves out although its pattern matches: placeholders of folders, hidden and excluded keys.';

create or replace function s3_connector_private.takes_key(c s3_connector.connectors, key text)
returns boolean language sql immutable parallel safe set search_path = pg_catalog, pg_temp as $$
  select key ~ s3_connector_private.glob_regex(c.pattern) and key !~ s3_connector_private.left_out_regex(c);
$$;
comment on function s3_connector_private.takes_key(s3_connector.connectors, text) is
  'Returns whether a connector takes a key. It must agree with the workers (src/matcher.ts). For many keys, compute both regular expressions once.';
