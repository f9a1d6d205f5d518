-- "Growth" of a target table: the columns and the wider types that it gets because files have them. Imports change the table, and record it here.

create or replace function s3_connector_import.size_of_family(target oid)
returns bigint language sql stable set search_path = pg_catalog, pg_temp as $$
  with recursive family (oid) as (
    select target union all select i.inhrelid from family f join pg_inherits i on i.inhparent = f.oid
  )
  select coalesce(sum(pg_total_relation_size(f.oid)), 0)::bigint from family f;
$$;
comment on function s3_connector_import.size_of_family(oid) is
  'Returns the size of a table with its indexes, partitions and chunks, in bytes.';

create or replace function s3_connector_import.refuse_growth(
  schema_name text, table_name text, owner name, statement text, rewrites boolean, out code text, out message text, out hint text
)
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  relation pg_class;
  target text := format('%I.%I', schema_name, table_name);
  kind text := s3_connector_import.target_kind(schema_name, table_name);
  -- In bytes. PostgreSQL writes some 100 MB a second, and nobody can read the table meanwhile.
  most_rewritten bigint := 1073741824;
begin
  select c.* into relation from pg_class c where c.oid = s3_connector_import.relation_oid(schema_name, table_name);
  if relation.relkind in ('f', 'v') or relation.relispartition or relation.reloftype <> 0 then
    code := 'table_cannot_grow';
    message := format('%s is a %s, whose columns the connector cannot add or change', target,
      case when relation.relkind in ('f', 'v') then kind when relation.relispartition then 'partition' else 'typed table' end);
    hint := case when relation.relispartition then 'Name the partitioned table in target_table, or set on_unknown_column to fail or ignore and on_type_mismatch to fail.'
      else 'Set on_unknown_column to fail or ignore and on_type_mismatch to fail, and change the columns yourself.' end;
  elsif statement is not null and not exists (
    select from pg_roles r where r.rolname = refuse_growth.owner and pg_has_role(r.oid, relation.relowner, 'usage')
  ) then
    code := 'permission_denied';
    message := format('only the owner of %s may change its columns, and %I, the connector''s owner, is not', target, owner);
    hint := format('Run as %s: %s; Then retry the file. Or give %I the table: alter table %s owner to %I;',
      quote_ident(pg_get_userbyid(relation.relowner)), statement, owner, target, owner);
  elsif rewrites and s3_connector_import.size_of_family(relation.oid) > most_rewritten then
    code := 'table_cannot_grow';
    message := format('a column of %s needs a wider type, and to write its %s again would take too long', target,
      pg_size_pretty(s3_connector_import.size_of_family(relation.oid)));
    hint := format('Run, when nobody needs the table: %s; Then retry the file.', statement);
  end if;
end;
$$;
comment on function s3_connector_import.refuse_growth(text, text, name, text, boolean) is
  'Returns the error''s code, message and hint if the connector''s owner cannot change an existing table by a statement; nulls if it can, or if there is no table. rewrites: the statement makes PostgreSQL write the whole table again, which is refused for more than 1 GB. Without a statement, looks only at the kind of the table.';

create or replace function s3_connector_import.record_schema_changes(
  file_id bigint, running_attempt_id bigint, token text, changes jsonb
)
returns void language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform s3_connector_private.check_token('attempt', running_attempt_id, token);
  insert into s3_connector.schema_changes
    (connector_name, key, change, target_table, source_column, column_name, column_type, old_type, statement)
  select f.connector_name, f.key, x.change, c.target_table, x.source_column, x.column_name, x.column_type, x.old_type, x.statement
  from s3_connector.files f
  join s3_connector.connectors c on c.name = f.connector_name
  cross join jsonb_to_recordset(changes) as x (
    change text, source_column text, column_name text, column_type text, old_type text, statement text
  )
  where f.id = record_schema_changes.file_id;
end;
$$;
comment on function s3_connector_import.record_schema_changes(bigint, bigint, text, jsonb) is
  'Records how an import changed its table, in the same transaction: after record_success, which checks that the attempt owns the file.';
