-- Errors about a value, a connector's name or a key. Each says what was expected, what came and what to do.

create or replace function s3_connector_import.refuse(expected text, got text, hint text default null)
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  raise exception '% (got: %)', expected, coalesce(quote_literal(got), 'null')
    using errcode = 'invalid_parameter_value', hint = coalesce(hint, '');
end;
$$;
comment on function s3_connector_import.refuse(text, text, text) is
  'Raises invalid_parameter_value (22023) with the expected value, the value that came and a hint.';

create or replace function s3_connector_private.name_similarity(a text, b text)
returns real language sql immutable parallel safe set search_path = pg_catalog, pg_temp as $$
  with pairs as (
    select
      array(select distinct substr(lower(a), i, 2) from generate_series(1, greatest(length(a) - 1, 1)) i) as in_a,
      array(select distinct substr(lower(b), i, 2) from generate_series(1, greatest(length(b) - 1, 1)) i) as in_b
  )
  select 2.0 * (select count(*) from unnest(in_a) p where p = any (in_b))
       / greatest(cardinality(in_a) + cardinality(in_b), 1)
  from pairs;
$$;
comment on function s3_connector_private.name_similarity(text, text) is
  'Returns how similar two names are, from 0 to 1: the Dice coefficient of their letter pairs.';

create or replace function s3_connector_private.require_connector(connector_name text)
returns s3_connector.connectors language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  connector s3_connector.connectors;
  nearest text;
begin
  select * into connector from s3_connector.connectors c where c.name = connector_name for update;
  if found then
    return connector;
  end if;
  select string_agg(quote_literal(n.name), ', ' order by n.alike desc, n.name) into nearest
  from (
    select c.name, s3_connector_private.name_similarity(c.name, connector_name) as alike
    from s3_connector.connectors c order by alike desc, c.name limit 3
  ) n where n.alike > 0.2;
  raise exception 'there is no connector named %', coalesce(quote_literal(connector_name), 'null')
    using errcode = 'undefined_object',
      hint = coalesce('Similar names: ' || nearest || '.', 'List all connectors: select name from s3_connector.connectors;');
end;
$$;
comment on function s3_connector_private.require_connector(text) is
  'Locks and returns the connector of that name. Raises undefined_object (42704), with the most similar names, if there is none.';

create or replace function s3_connector_private.require_file(connector_name text, key text)
returns s3_connector.files language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  file s3_connector.files;
  nearest text;
begin
  select * into file from s3_connector.files f
  where f.connector_name = require_file.connector_name and f.key = require_file.key for update;
  if found then
    return file;
  end if;
  -- The index finds the neighbours in key order quickly, however many files there are.
  select string_agg(quote_literal(n.key), ', ') into nearest
  from (
    (select f.key from s3_connector.files f
      where f.connector_name = require_file.connector_name and f.key < require_file.key
      order by f.key desc limit 2)
    union all
    (select f.key from s3_connector.files f
      where f.connector_name = require_file.connector_name and f.key > require_file.key
      order by f.key limit 2)
  ) n;
  raise exception 'connector % has no file with the key %', quote_literal(connector_name), coalesce(quote_literal(key), 'null')
    using errcode = 'undefined_object',
      hint = coalesce('Nearest keys in key order: ' || nearest || '.',
        format('This connector has no files yet. Poll its bucket: select s3_connector.poll_now(%L);', connector_name));
end;
$$;
comment on function s3_connector_private.require_file(text, text) is
  'Locks and returns the file of that key. Raises undefined_object (42704), with the neighbours in key order, if there is none.';
