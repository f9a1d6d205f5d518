-- What the worker asks about a target table.

create or replace function s3_connector_private.describe_table(schema_name text, table_name text)
returns table (name text, type text, base_type text, insertable boolean) language sql stable as $$
  select
    a.attname::text,
    format_type(a.atttypid, a.atttypmod),
    -- The type under any domains, which decides how a value is written.
    format_type(coalesce(nullif(t.typbasetype, 0), t.oid), null),
    a.attgenerated = '' and a.attidentity <> 'a'
  from pg_attribute a
  join pg_class c on c.oid = a.attrelid
  join pg_namespace n on n.oid = c.relnamespace
  join pg_type t on t.oid = a.atttypid
  where n.nspname = schema_name and c.relname = table_name
    and c.relkind in ('r', 'p', 'f') and a.attnum > 0 and not a.attisdropped
  order by a.attnum;
$$;
comment on function s3_connector_private.describe_table(text, text) is
  'The columns of a table in order: declared type, type under its domain, and whether COPY may fill it. No row where there is no such table.';

create or replace function s3_connector_private.unique_keys(schema_name text, table_name text)
returns setof text[] language sql stable as $$
  select array_agg(a.attname::text order by k.position)
  from pg_index i
  join pg_class c on c.oid = i.indrelid
  join pg_namespace n on n.oid = c.relnamespace
  cross join lateral unnest(i.indkey::smallint[]) with ordinality as k (attnum, position)
  join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum
  where n.nspname = schema_name and c.relname = table_name
    -- What ON CONFLICT can name: no expression, no condition, checked at once.
    and i.indisunique and i.indisvalid and i.indimmediate and i.indpred is null and i.indexprs is null
    and k.position <= i.indnkeyatts
  group by i.indexrelid, i.indisprimary
  order by i.indisprimary desc, count(*), i.indexrelid;
$$;
comment on function s3_connector_private.unique_keys(text, text) is
  'The columns of a table''s primary key and unique indexes, primary key first.';

create or replace function s3_connector_private.timescaledb_schema()
returns text language sql stable as $$
  select n.nspname::text from pg_extension e join pg_namespace n on n.oid = e.extnamespace
  where e.extname = 'timescaledb';
$$;
comment on function s3_connector_private.timescaledb_schema() is
  'The schema that holds TimescaleDB''s functions; null where the extension is not installed.';

create or replace function s3_connector_private.set_notice(connector_name text, new_notice text)
returns void language sql as $$
  update s3_connector_private.progress p set notice = new_notice
  where p.connector_name = set_notice.connector_name and p.notice is distinct from new_notice;
$$;
comment on function s3_connector_private.set_notice(text, text) is 'Sets what connector_status shows as notice.';
