-- Why a relation cannot be the target of a connector: the same words at the insert of the connector, in check, and in each import.

create or replace function s3_connector_import.refuse_changes(
  relation pg_class, schema_name text, table_name text, out code text, out message text, out hint text
)
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  target text := format('%I.%I', schema_name, table_name);
  kind text := s3_connector_import.target_kind(schema_name, table_name);
begin
  if relation.relkind not in ('r', 'p') then
    code := 'target_takes_no_changes';
    message := format('change_column is set, but %s is a %s: changes are applied by MERGE, which takes tables only', target, kind);
    hint := case relation.relkind when 'v' then 'Name the table under the view in target_table.' else 'Name an ordinary table in target_table.' end;
  elsif relation.relkind = 'p' and exists (
    select from pg_partition_tree(relation.oid) t join pg_class p on p.oid = t.relid where p.relkind = 'f'
  ) then
    code := 'target_takes_no_changes';
    message := format('change_column is set, but %s has a partition that is a foreign table, into which MERGE does not write', target);
    hint := 'Name a table without foreign partitions in target_table.';
  elsif s3_connector_import.has_columnstore(relation.oid) then
    code := 'target_takes_no_changes';
    message := format('change_column is set, but %s is a hypertable with a columnstore: TimescaleDB''s MERGE does not update or delete its rows', target);
    hint := format('Convert its chunks to the rowstore (call convert_to_rowstore(chunk)) and run alter table %s set (timescaledb.enable_columnstore = false); or name another table.', target);
  elsif relation.relhasrules and exists (
    select from pg_rewrite r where r.ev_class = relation.oid and r.ev_enabled <> 'D' and r.ev_type in ('2', '3', '4')
  ) then
    code := 'target_has_rules';
    message := format('change_column is set, but %s has rules, and MERGE does not write into tables with rules', target);
    hint := format('Drop the rules (\d %s shows them) and use triggers instead.', target);
  elsif not exists (select from s3_connector_import.unique_keys(schema_name, table_name)) then
    code := 'no_unique_key';
    message := format('change_column is set, but %s has no primary key or unique index that says which row a change is about', target);
    hint := format('Add one over columns of the files, for example: alter table %s add primary key (id);', target);
  end if;
end;
$$;
comment on function s3_connector_import.refuse_changes(pg_class, text, text) is
  'The part of refuse_target for files that change rows: returns why MERGE cannot apply them to a table or view; nulls if it can.';

create or replace function s3_connector_import.refuse_target(
  schema_name text, table_name text, owner name, on_conflict text, allow_unlogged boolean,
  out code text, out message text, out hint text
)
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  relation pg_class;
  target text := format('%I.%I', schema_name, table_name);
  by_insert boolean;
  unlogged text;
begin
  select c.* into relation from pg_class c where c.oid = s3_connector_import.relation_oid(schema_name, table_name);
  if relation.oid is null then
    return;
  end if;
  by_insert := s3_connector_import.is_filled_by_insert(relation.oid, owner);
  if relation.relkind not in ('r', 'p', 'f', 'v') then
    code := 'not_a_table';
    message := format('target_table must be a table or a view (got: the %s %s)', s3_connector_import.target_kind(schema_name, table_name), target);
    hint := 'Name a table in target_table, or a view that takes inserts.';
    return;
  end if;
  if on_conflict = 'apply_changes' then
    select r.code, r.message, r.hint into code, message, hint from s3_connector_import.refuse_changes(relation, schema_name, table_name) r;
    if code is not null then
      return;
    end if;
  end if;
  if relation.relhasrules and (
    by_insert and s3_connector_import.has_rules(relation.oid)
    or on_conflict <> 'fail' and relation.relkind <> 'v' and s3_connector_import.has_rules(relation.oid, with_updates => true)
  ) then
    code := 'target_has_rules';
    if by_insert then
      message := format('the rules of %s decide what becomes of an inserted row, and PostgreSQL does not count those rows', target);
      hint := format('Drop the rules for INSERT: \d %s shows them. Use a trigger instead, for a view an INSTEAD OF trigger.', target);
    else
      message := format('on_conflict is %s, which PostgreSQL does not support for tables with rules for INSERT or UPDATE, such as %s', on_conflict, target);
      hint := format('Drop the rules (\d %s shows them) and use triggers instead, or set on_conflict to fail.', target);
    end if;
  -- 8 is the bit for INSERT.
  elsif relation.relkind in ('f', 'v') and pg_relation_is_updatable(relation.oid, true) & 8 = 0 then
    code := 'target_not_insertable';
    message := format('target_table %s is a %s that takes no inserts', target, s3_connector_import.target_kind(schema_name, table_name));
    hint := case relation.relkind
      when 'f' then 'Name another table: the foreign-data wrapper of this one, or its option updatable, does not let anybody write.'
      else 'Name the table under it, or give the view an INSTEAD OF INSERT trigger.' end;
  elsif relation.relkind in ('f', 'v') and on_conflict <> 'fail' then
    code := 'no_unique_key';
    message := format('on_conflict is %s, but %s is a %s, which has no primary key or unique index', on_conflict, target,
      s3_connector_import.target_kind(schema_name, table_name));
    hint := 'Set on_conflict to fail, or name a table with a key.';
  elsif not allow_unlogged then
    unlogged := s3_connector_import.unlogged_part(relation.oid);
    if unlogged is not null then
      code := 'table_unlogged';
      message := format('%s is unlogged: a crash of the server empties it, while its files stay success', unlogged);
      hint := format('Run alter table %s set logged; or set allow_unlogged to true if the rows may be lost.', unlogged);
    end if;
  end if;
end;
$$;
comment on function s3_connector_import.refuse_target(text, text, name, text, boolean) is
  'Decides in one place, for the insert of a connector, for check and for imports, whether an existing relation can be the target: returns the error''s code, message and hint, or nulls if it can, or if there is none of that name. on_conflict: the write_mode of the connector.';
