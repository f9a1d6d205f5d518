-- The last migration of 0.2.0: it groups the columns of connectors by subject. PostgreSQL cannot move a column, so each is made
-- again behind the others. Only the name stays in its place. If an object of a person uses a column (a view, a column's
-- privilege, a published list of columns), all columns keep their places: names are what everybody refers to.

do $$
declare
  wanted constant name[] := array[
    'bucket', 'pattern', 'exclude', 'include_hidden', 'file_format', 'target_table', 'state',
    'region', 'endpoint', 'path_style', 'requester_pays', 'auth_method', 'role_arn',
    'schedule', 'event_queue_url', 'audit_schedule', 'start_after', 'min_object_age', 'late_keys', 'on_overwrite',
    'max_tracked_files', 'max_parallel_files', 'max_attempts', 'stop_when_caught_up',
    'csv_delimiter', 'csv_quote', 'csv_escape', 'csv_null', 'csv_encoding', 'csv_skip_header', 'time_zone', 'transform', 'hive_columns',
    'match_columns_by', 'on_missing_column', 'on_unknown_column', 'max_new_columns', 'on_type_mismatch', 'rescue_column',
    'on_bad_row', 'max_bad_rows', 'on_conflict', 'change_column', 'change_values', 'sequence_column',
    'file_id_column', 'file_key_column', 'line_column',
    'create_table', 'primary_key', 'allow_unlogged', 'time_column', 'hypertable', 'chunk_interval', 'columnstore', 'segment_by', 'order_by',
    'max_file_bytes', 'max_row_bytes', 'max_rows', 'import_timeout',
    'on_import', 'notify', 'retention',
    'owner', 'created_at'
  ];
  connectors constant regclass := 's3_connector.connectors';
  moved record;
  again text[];
  statement text;
begin
  if exists (select from pg_attribute a where a.attrelid = connectors and a.attacl is not null) then
    raise exception sqlstate '2BP01' using message = 'privileges on single columns';
  end if;

  -- sql/ creates views and triggers again, after the migrations.
  select 'drop view ' || string_agg(v.oid::regclass::text, ', ') into statement
  from pg_class v where v.relkind = 'v' and v.relnamespace in ('s3_connector'::regnamespace, 's3_connector_private'::regnamespace);
  if statement is not null then
    execute statement;
  end if;
  for statement in
    select format('drop trigger %I on %s', t.tgname, connectors)
    from pg_trigger t join pg_proc p on p.oid = t.tgfoid
    where t.tgrelid = connectors and not t.tgisinternal
      and p.pronamespace in ('s3_connector'::regnamespace, 's3_connector_private'::regnamespace)
  loop
    execute statement;
  end loop;

  select array_agg(o.definition) into again
  from (
    select format('alter table %s add constraint %I %s', connectors, c.conname, pg_get_constraintdef(c.oid)) as definition
    from pg_constraint c where c.conrelid = connectors and c.contype in ('f', 'c', 'u')
    union all
    select pg_get_indexdef(i.indexrelid)
    from pg_index i
    where i.indrelid = connectors and not exists (select from pg_constraint c where c.conindid = i.indexrelid)
    union all
    -- A person may have disabled some of their triggers.
    select format('alter table %s %s trigger %I', connectors,
      case t.tgenabled when 'D' then 'disable' when 'R' then 'enable replica' when 'A' then 'enable always' else 'enable' end, t.tgname)
    from pg_trigger t where t.tgrelid = connectors and not t.tgisinternal
  ) o;

  alter table s3_connector.connectors disable trigger user;
  for moved in
    select a.attname, format_type(a.atttypid, a.atttypmod) as type, a.attnotnull, pg_get_expr(d.adbin, d.adrelid) as default_value
    from pg_attribute a
    left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
    where a.attrelid = connectors and a.attnum > 0 and not a.attisdropped and a.attname <> 'name'
    order by array_position(wanted, a.attname), a.attnum
  loop
    execute format('alter table %s rename column %I to old_column', connectors, moved.attname);
    execute format('alter table %s add column %I %s', connectors, moved.attname, moved.type);
    execute format('update %s set %I = old_column', connectors, moved.attname);
    execute format('alter table %s drop column old_column', connectors);
    if moved.default_value is not null then
      execute format('alter table %s alter column %I set default %s', connectors, moved.attname, moved.default_value);
    end if;
    if moved.attnotnull then
      execute format('alter table %s alter column %I set not null', connectors, moved.attname);
    end if;
  end loop;

  foreach statement in array again loop
    execute statement;
  end loop;
exception
  when dependent_objects_still_exist then
    raise notice 'the columns of s3_connector.connectors keep their places: %', sqlerrm;
end
$$;
