-- Errors about the columns that people fill in: always 22023, with what was expected, what came and a hint.
-- "Setting": a column of connectors.

create or replace function s3_connector_private.refuse_column(
  of_table regclass, column_name text, must text, got text, hint text default null
)
returns void language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  raise exception '% must % (got: %)', column_name, must,
    case when length(got) > 200 then quote_literal(left(got, 200)) || '...' else coalesce(quote_literal(got), 'null') end
    using errcode = 'invalid_parameter_value',
      -- Without a hint, the column's comment is the best help.
      hint = coalesce(refuse_column.hint, (
        select format('%s: %s', refuse_column.column_name, col_description(a.attrelid, a.attnum))
        from pg_attribute a where a.attrelid = of_table and a.attname = refuse_column.column_name
      )),
      schema = 's3_connector', table = (select c.relname from pg_class c where c.oid = of_table),
      column = column_name;
end;
$$;
comment on function s3_connector_private.refuse_column(regclass, text, text, text, text) is
  'Raises invalid_parameter_value (22023) about a column. Without a hint, the column''s comment is the hint.';

create or replace function s3_connector_private.refuse_setting(
  column_name text, must text, got text, hint text default null
)
returns void language sql stable set search_path = pg_catalog, pg_temp as $$
  select s3_connector_private.refuse_column('s3_connector.connectors', column_name, must, got, hint);
$$;
comment on function s3_connector_private.refuse_setting(text, text, text, text) is
  'Calls refuse_column for a column of connectors.';

create or replace function s3_connector_private.refuse_name(of_table regclass, name text)
returns void language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  if octet_length(name) > 200 or name !~ '^\S([^\n\r]*\S)?$' then
    perform s3_connector_private.refuse_column(of_table, 'name', 'be 1 to 200 bytes long, without line breaks or spaces around it', name);
  end if;
end;
$$;
comment on function s3_connector_private.refuse_name(regclass, text) is
  'Refuses the name of a connector or a file format that is too long, or has line breaks or spaces around it.';

create or replace function s3_connector_private.refuse_nulls(of_table regclass, given jsonb)
returns void language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  missing record;
begin
  -- NOT NULL would refuse them too, but only after the triggers, and with a less helpful message.
  for missing in
    select a.attname::text as name, pg_get_expr(d.adbin, d.adrelid) as default_value
    from pg_attribute a left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
    where a.attrelid = of_table and a.attnum > 0 and a.attnotnull and given ->> a.attname is null
    order by a.attnum
  loop
    if missing.default_value is null then
      perform s3_connector_private.refuse_column(of_table, missing.name, 'be given', null);
    end if;
    perform s3_connector_private.refuse_column(of_table, missing.name, 'not be null', null,
      format('Leave it out of the insert for its default, %s.', regexp_replace(missing.default_value, '::[a-z ]+$', '')));
  end loop;
end;
$$;
comment on function s3_connector_private.refuse_nulls(regclass, jsonb) is
  'Refuses a row with a null in a column that must not be null. The error names the column and its default.';

create or replace function s3_connector_private.refuse_unless_one_of(of_table regclass, column_name text, got text, words text[])
returns void language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  nearest text;
begin
  if got is null or got = any (words) then
    return;
  end if;
  select w into nearest from unnest(words) w
  where s3_connector_private.name_similarity(w, got) > 0.3 order by s3_connector_private.name_similarity(w, got) desc limit 1;
  perform s3_connector_private.refuse_column(
    of_table,
    column_name,
    'be ' || array_to_string(words[:cardinality(words) - 1], ', ') || ' or ' || words[cardinality(words)],
    got,
    'Did you mean ' || nearest || case when lower(got) = any (words) then ', in lower case?' else '?' end
  );
end;
$$;
comment on function s3_connector_private.refuse_unless_one_of(regclass, text, text, text[]) is
  'Refuses a value that is not one of the given words. Accepts null, which refuse_nulls checks. The hint names the most similar word.';

create or replace function s3_connector_private.refuse_unless_one_of(column_name text, got text, words text[])
returns void language sql stable set search_path = pg_catalog, pg_temp as $$
  select s3_connector_private.refuse_unless_one_of('s3_connector.connectors', column_name, got, words);
$$;
comment on function s3_connector_private.refuse_unless_one_of(text, text, text[]) is
  'Calls refuse_unless_one_of for a column of connectors.';

create or replace function s3_connector_private.refuse_out_of_range(
  of_table regclass, column_name text, got bigint, lowest bigint, highest bigint, hint text default null
)
returns void language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  if got not between lowest and highest then
    perform s3_connector_private.refuse_column(of_table, column_name, format('be between %s and %s', lowest, highest), got::text, hint);
  end if;
end;
$$;
comment on function s3_connector_private.refuse_out_of_range(regclass, text, bigint, bigint, bigint, text) is
  'Refuses a number outside its bounds. Accepts null, which refuse_nulls checks.';

create or replace function s3_connector_private.refuse_out_of_range(
  column_name text, got bigint, lowest bigint, highest bigint, hint text default null
)
returns void language sql stable set search_path = pg_catalog, pg_temp as $$
  select s3_connector_private.refuse_out_of_range('s3_connector.connectors', column_name, got, lowest, highest, hint);
$$;
comment on function s3_connector_private.refuse_out_of_range(text, bigint, bigint, bigint, text) is
  'Calls refuse_out_of_range for a column of connectors.';

create or replace function s3_connector_private.has_on_conflict_clause(context text)
returns boolean language sql stable set search_path = pg_catalog, pg_temp as $$
  -- A before trigger cannot see the clause itself. It must not raise an error that `on conflict` would handle.
  select current_query() || coalesce(context, '') ~* '\mon\s+conflict\M';
$$;
comment on function s3_connector_private.has_on_conflict_clause(text) is
  'Returns whether the current insert has an on conflict clause, by its text or by PG_CONTEXT.';
