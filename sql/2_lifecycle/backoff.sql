-- "Backoff": the growing wait between retries.

create or replace function s3_connector_private.backoff(failures integer, longest_seconds integer)
returns interval language sql volatile set search_path = pg_catalog, pg_temp as $$
  -- 5 s, 10 s, 20 s ..., each plus or minus 25 %, so that many files or connectors do not retry at once.
  select least(5 * 2 ^ least(failures - 1, 10), longest_seconds) * (0.75 + 0.5 * random()) * interval '1 second';
$$;
comment on function s3_connector_private.backoff(integer, integer) is
  'Returns the wait after this many failures in a row. longest_seconds limits it, before jitter.';
