-- Answers of the workers to requests. Each function replaces the previous results and stores the answer, in one transaction.

create or replace function s3_connector_private.lock_answers(request_id bigint)
returns text language sql set search_path = pg_catalog, pg_temp as $$
  -- Two answers for one connector wait for each other.
  select c.name from s3_connector.connectors c
  where c.name = (select r.connector_name from s3_connector_private.requests r where r.id = request_id)
  for no key update;
$$;
comment on function s3_connector_private.lock_answers(bigint) is
  'Locks a request''s connector and returns its name; null if it was deleted.';

create or replace function s3_connector_private.answer_check(request_id bigint, steps jsonb)
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  connector text := s3_connector_private.lock_answers(request_id);
begin
  delete from s3_connector.checks c where c.connector_name = connector;
  insert into s3_connector.checks (connector_name, position, step, ok, message, hint)
  select connector, s.nr, s.step ->> 'step', (s.step ->> 'ok')::boolean, s.step ->> 'message', s.step ->> 'hint'
  from jsonb_array_elements(steps) with ordinality as s (step, nr)
  where connector is not null;
  perform s3_connector_private.answer(request_id, jsonb_build_object('notices', (
    select jsonb_agg(jsonb_build_object(
      'message', format('%s: %s, %s', s.step ->> 'step', case (s.step ->> 'ok')::boolean when true then 'ok' else 'NOT OK' end, s.step ->> 'message'),
      'hint', s.step ->> 'hint'
    ) order by s.nr)
    from jsonb_array_elements(steps) with ordinality as s (step, nr)
  )));
end;
$$;
comment on function s3_connector_private.answer_check(bigint, jsonb) is
  'Stores the steps of a check, [{"step", "ok", "message", "hint"}], in checks.';

create or replace function s3_connector_private.answer_preview(
  request_id bigint, files jsonb, columns jsonb, preview_rows jsonb, notices jsonb
)
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  connector text := s3_connector_private.lock_answers(request_id);
begin
  delete from s3_connector.preview_files f where f.connector_name = connector;
  delete from s3_connector.preview_columns c where c.connector_name = connector;
  delete from s3_connector.preview_rows r where r.connector_name = connector;
  insert into s3_connector.preview_files (connector_name, key, size_bytes, last_modified)
  select connector, f.key, f.size_bytes, f.last_modified
  from jsonb_to_recordset(files) as f (key text, size_bytes bigint, last_modified timestamptz)
  where connector is not null;
  insert into s3_connector.preview_columns
    (connector_name, position, source_column, inferred_type, nullable, target_column, target_type, suggested_time_column, decided_by,
      sampled_files, expression)
  select connector, c.position, c.source_column, c.inferred_type, c.nullable, c.target_column, c.target_type, c.suggested_time_column,
    c.decided_by, c.sampled_files, c.expression
  from jsonb_to_recordset(columns) as c (
    position integer, source_column text, inferred_type text, nullable boolean,
    target_column text, target_type text, suggested_time_column boolean, decided_by text, sampled_files integer, expression text
  )
  where connector is not null;
  insert into s3_connector.preview_rows (connector_name, position, line, "values", error, raw)
  select connector, r.position, r.line, r."values", r.error, r.raw
  from jsonb_to_recordset(preview_rows) as r (position integer, line bigint, "values" jsonb, error text, raw text)
  where connector is not null;
  perform s3_connector_private.answer(request_id, jsonb_build_object('notices', notices));
end;
$$;
comment on function s3_connector_private.answer_preview(bigint, jsonb, jsonb, jsonb, jsonb) is
  'Stores a preview in preview_files, preview_columns and preview_rows.';

create or replace function s3_connector_import.target_kind(schema_name text, table_name text)
returns text language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  relation oid := s3_connector_import.relation_oid(schema_name, table_name);
  is_hypertable boolean := false;
begin
  -- Executed as text, because the schema timescaledb_information may not exist.
  if relation is not null and s3_connector_import.timescaledb_schema() is not null then
    execute 'select exists (
      select from timescaledb_information.hypertables h where h.hypertable_schema = $1 and h.hypertable_name = $2
    )' into is_hypertable using schema_name, table_name;
  end if;
  return (
    select case
      when is_hypertable then 'hypertable'
      else case c.relkind
        when 'r' then 'table' when 'p' then 'partitioned table' when 'f' then 'foreign table'
        when 'v' then 'view' when 'm' then 'materialized view' when 'S' then 'sequence'
        when 'c' then 'composite type' when 'i' then 'index' when 'I' then 'partitioned index' else 'relation of another kind'
      end
    end
    from pg_class c where c.oid = relation
  );
end;
$$;
comment on function s3_connector_import.target_kind(text, text) is
  'Returns the kind of a relation: hypertable, table, partitioned table, foreign table, view ...; null if there is none of that name.';

create or replace function s3_connector_private.missing_grants(
  connector_name text, import_role name, schema_name text, table_name text, columns text[]
)
returns text[] language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  c s3_connector.connectors;
  target text := format('%I.%I', schema_name, table_name);
  relation oid := s3_connector_import.relation_oid(schema_name, table_name);
  missing text[] := '{}';
  privilege text;
  by_insert boolean;
begin
  select * into c from s3_connector.connectors x where x.name = connector_name;
  if not s3_connector_private.may_act_as(import_role, c.owner) then
    missing := missing || format('grant %I to %I;', c.owner, import_role);
  end if;
  if not has_schema_privilege(c.owner, schema_name, 'USAGE') then
    missing := missing || format('grant usage on schema %I to %I;', schema_name, c.owner);
  end if;
  if relation is null then
    return case when has_schema_privilege(c.owner, schema_name, 'CREATE') then missing
      else missing || format('grant create on schema %I to %I;', schema_name, c.owner) end;
  end if;
  foreach privilege in array case s3_connector_private.write_mode(c) when 'fail' then '{INSERT}' when 'skip' then '{INSERT}' else '{INSERT,UPDATE}' end::text[] loop
    if not has_any_column_privilege(c.owner, relation, privilege)
      or exists (select from unnest(columns) as x (name) where not has_column_privilege(c.owner, relation, x.name, privilege)) then
      missing := missing || format('grant %s on %s to %I;', lower(privilege), target, c.owner);
    end if;
  end loop;
  by_insert := s3_connector_import.is_filled_by_insert(relation, c.owner);
  -- A merge reads the rows that it may update.
  if s3_connector_private.write_mode(c) <> 'fail' and not has_table_privilege(c.owner, relation, 'SELECT') then
    missing := missing || format('grant select on %s to %I;', target, c.owner);
  end if;
  if c.change_column is not null and not has_table_privilege(c.owner, relation, 'DELETE') then
    missing := missing || format('grant delete on %s to %I;', target, c.owner);
  end if;
  -- Rows that do not come by COPY alone go through a temporary table.
  if (s3_connector_private.write_mode(c) <> 'fail' or by_insert or c.rescue_column is not null or s3_connector_private.computes_columns(c)) and not has_database_privilege(c.owner, current_database(), 'TEMPORARY') then
    missing := missing || format('grant temporary on database %I to %I;', current_database(), c.owner);
  end if;
  -- An import deletes the rows that it replaces.
  if c.on_overwrite = 'reimport' and not (has_table_privilege(c.owner, relation, 'SELECT') and has_table_privilege(c.owner, relation, 'DELETE')) then
    missing := missing || format('grant select, delete on %s to %I;', target, c.owner);
  end if;
  return missing;
end;
$$;
comment on function s3_connector_private.missing_grants(text, name, text, text, text[]) is
  'Returns the missing grants that an import needs, as SQL. The login for imports must be able to set role to the owner, and the owner to fill these columns or create the table.';
