-- Facts about a target table that the worker needs before an import.

create or replace function s3_connector_import.table_traits(
  target regclass, out splittable boolean, out may_leave_out boolean, out may_leave_updates boolean
)
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  -- Called before every import. In plpgsql, a session plans the query once; in sql, each time. What is under a view is not looked at.
  select
    -- Insert triggers other than those before each row. A foreign key to the table itself, or to its partition tree, is checked
    -- at the end of the statement.
    not coalesce(bool_or(t.tgtype & 4 <> 0 and t.tgtype & 3 <> 3 and (not t.tgisinternal or k.confrelid = k.conrelid
      or pg_partition_root(k.confrelid) = pg_partition_root(k.conrelid))), false) and not bool_or(c.relkind = 'v'),
    coalesce(bool_or(t.tgtype & 4 <> 0 and t.before_row), false) or bool_or(c.relkind in ('f', 'v')),
    coalesce(bool_or(t.tgtype & 16 <> 0 and t.before_row), false) or bool_or(c.relkind in ('f', 'v'))
  into splittable, may_leave_out, may_leave_updates
  from (
    -- Not pg_partition_tree: it locks the partitions until the end of the transaction, and an import that adds a column waits for that.
    with recursive family (oid) as (
      select target::oid
      union all
      select i.inhrelid from family f
      cross join lateral (
        select h.inhrelid from pg_inherits h
        where h.inhparent = f.oid and (select p.relkind from pg_class p where p.oid = f.oid) = 'p' offset 0
      ) i
    )
    select f.oid from family f
  ) r (oid)
  join pg_class c on c.oid = r.oid
  left join (
    select t.*, t.tgtype & 3 = 3 and not t.tgisinternal and t.tgenabled <> 'D' as before_row
    from pg_trigger t join pg_proc p on p.oid = t.tgfoid
    -- TimescaleDB's own triggers look at one row at a time, and suppress none.
    join pg_namespace n on n.oid = p.pronamespace and n.nspname not like '\_timescaledb%'
  ) t on t.tgrelid = r.oid
  left join pg_constraint k on k.oid = t.tgconstraint;
end;
$$;
comment on function s3_connector_import.table_traits(regclass) is
  'Returns facts about a table with its partitions. splittable: its rows may come in several statements, because no statement trigger, after-row trigger or foreign key to itself sees the difference. may_leave_out, may_leave_updates: a before-row trigger, a foreign table or a view may suppress inserts, or updates, without an error.';

create or replace function s3_connector_import.may_look_at_rows(schema_name text, table_name text)
returns boolean language plpgsql stable
-- Called for each bundle. Planning takes longer than the query, and without this PostgreSQL plans it each time.
set plan_cache_mode = force_generic_plan
set search_path = pg_catalog, pg_temp as $$
declare
  target oid := s3_connector_import.relation_oid(schema_name, table_name);
begin
  return exists (
    with recursive family (oid) as (
      select target
      union all
      select i.inhrelid from family f join pg_class c on c.oid = f.oid and c.relkind = 'p' join pg_inherits i on i.inhparent = f.oid
    ), types (oid) as (
      select a.atttypid from pg_attribute a where a.attrelid = target and a.attnum > 0 and not a.attisdropped
      union
      select part.oid from types x join pg_type t on t.oid = x.oid
      cross join lateral (
        select t.typbasetype union all select t.typelem
        union all select a.atttypid from pg_attribute a where a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped
      ) part (oid)
      where part.oid <> 0
    ), callers (classid, objid, is_check) as (
      select 'pg_attrdef'::regclass, d.oid, false from pg_attrdef d where d.adrelid = target
      union all select 'pg_type'::regclass, t.oid, false from types t
      union all select 'pg_constraint'::regclass, k.oid, true from family f join pg_constraint k on k.conrelid = f.oid where k.contype = 'c'
      union all select 'pg_constraint'::regclass, k.oid, true from types t join pg_constraint k on k.contypid = t.oid
    )
    -- PostgreSQL's own functions have no rows in pg_depend, and look at no table.
    select from callers c
    join pg_depend d on d.classid = c.classid and d.objid = c.objid and d.refclassid = 'pg_proc'::regclass
    join pg_proc p on p.oid = d.refobjid
    join pg_language l on l.oid = p.prolang
    -- COPY inserts each row at once if a default is volatile, but not for a CHECK: that sees none of the rows that still wait.
    where l.lanname not in ('internal', 'c') and (p.provolatile = 's' or p.provolatile = 'v' and c.is_check)
  );
end;
$$;
comment on function s3_connector_import.may_look_at_rows(text, text) is
  'Returns whether a default or a CHECK of a table, of its partitions, or of the domains of its columns calls a function of a person that may look at rows, and may not see those that its own statement inserts.';

create or replace function s3_connector_import.unlogged_part(target oid)
returns text language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  relation pg_class;
begin
  select c.* into relation from pg_class c where c.oid = target;
  -- A partitioned table has no rows of its own, so its own persistence does not matter.
  if relation.relpersistence = 'u' and relation.relkind = 'r' then
    return format('%s.%I', relation.relnamespace::regnamespace, relation.relname);
  elsif not relation.relhassubclass then
    return null;
  end if;
  -- One chunk or partition may be unlogged. A thousand of them take 1 to 2 ms, because offset 0 keeps PostgreSQL from reading
  -- all of pg_class.
  return (
    with recursive family (relid) as (
      select target
      union all
      select i.inhrelid from family f
      cross join lateral (select h.inhrelid from pg_inherits h where h.inhparent = f.relid offset 0) i
    )
    select format('%s.%I', c.relnamespace::regnamespace, c.relname)
    from family f
    cross join lateral (select k.* from pg_class k where k.oid = f.relid offset 0) c
    where c.relpersistence = 'u' and c.relkind = 'r'
    limit 1
  );
end;
$$;
comment on function s3_connector_import.unlogged_part(oid) is
  'Returns the quoted name of an unlogged table among a table, its partitions, chunks and other children; null if there is none. A crash of the server empties such a table.';

create or replace function s3_connector_private.unlogged_notice(target_table text)
returns text language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare
  part text[] := s3_connector_import.table_parts(target_table);
  unlogged text := s3_connector_import.unlogged_part(s3_connector_import.relation_oid(part[1], part[2]));
begin
  return 'a crash of the server empties ' || unlogged || ', which is unlogged, while its files stay success';
end;
$$;
comment on function s3_connector_private.unlogged_notice(text) is
  'Returns the notice of connector_status about an unlogged target table; null if it is logged.';

create or replace function s3_connector_import.has_columnstore(target oid)
returns boolean language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  -- Without the extension, the schema could be anybody's.
  if s3_connector_import.timescaledb_schema() is null or to_regclass('_timescaledb_catalog.compression_settings') is null then
    return false;
  end if;
  return exists (select from _timescaledb_catalog.compression_settings s where s.relid = target);
end;
$$;
comment on function s3_connector_import.has_columnstore(oid) is 'Returns whether a table is a hypertable with a columnstore.';

create or replace function s3_connector_import.is_filled_by_insert(target oid, owner name)
returns boolean language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  -- As PostgreSQL's check_enable_rls. Its row_security_active() answers for the current role only.
  return (
    select c.relkind = 'v' or c.relrowsecurity and exists (
      select from pg_roles r
      where r.rolname = owner and not r.rolsuper and not r.rolbypassrls
        and (c.relforcerowsecurity or not pg_has_role(r.oid, c.relowner, 'usage'))
    )
    from pg_class c where c.oid = target
  );
end;
$$;
comment on function s3_connector_import.is_filled_by_insert(oid, name) is
  'Returns whether a target''s rows come through a staging table and INSERT: COPY takes no table with row level security that applies to the owner, and of views only those with an INSTEAD OF trigger, whose rows it miscounts.';

create or replace function s3_connector_import.has_rules(relation oid, with_updates boolean default false)
returns boolean language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  -- 3 is INSERT, 2 is UPDATE.
  return exists (
    select from pg_rewrite r
    where r.ev_class = relation and r.ev_enabled <> 'D' and (r.ev_type = '3' or with_updates and r.ev_type = '2')
  );
end;
$$;
comment on function s3_connector_import.has_rules(oid, boolean) is
  'Returns whether a relation has rules for INSERT, which COPY ignores, or, if asked, for UPDATE.';

create or replace function s3_connector_import.json_shape(of_type oid)
returns json language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  found_type pg_type;
begin
  select * into found_type from pg_type t where t.oid = of_type;
  while found_type.typtype = 'd' loop
    select * into found_type from pg_type t where t.oid = found_type.typbasetype;
  end loop;
  if found_type.oid in ('json'::regtype, 'jsonb'::regtype) then
    return '"json"';
  end if;
  if found_type.typtype = 'c' then
    return json_build_object('fields', (
      select coalesce(json_agg(json_build_array(a.attname, s3_connector_import.json_shape(a.atttypid)) order by a.attnum), '[]')
      from pg_attribute a where a.attrelid = found_type.typrelid and a.attnum > 0 and not a.attisdropped
    ));
  end if;
  -- int2vector and oidvector are no lists of their elements' texts.
  if found_type.typelem <> 0 and found_type.typsubscript = 'array_subscript_handler'::regproc and found_type.typcategory = 'A'
    and found_type.typname like '\_%' then
    return json_build_object(
      'element', s3_connector_import.json_shape(found_type.typelem),
      'delimiter', (select e.typdelim from pg_type e where e.oid = found_type.typelem)
    );
  end if;
  return null;
end;
$$;
comment on function s3_connector_import.json_shape(oid) is
  'Returns how json_populate_record makes a value of the type from JSON: null for a scalar, "json", {"element", "delimiter"} for an array, {"fields"} for a composite type. Domains count as their base types.';

create or replace function s3_connector_import.describe_table(schema_name text, table_name text, owner name)
returns table (
  columns json, splittable boolean, may_leave_out boolean, may_leave_updates boolean, by_insert boolean, has_columnstore boolean
)
-- One plan for all tables. PostgreSQL would plan each time, which costs more than the query itself.
language plpgsql stable set plan_cache_mode = force_generic_plan set search_path = pg_catalog, pg_temp as $$
declare
  target oid;
  -- A view without an INSTEAD OF INSERT trigger. Only those columns can be filled that are columns of its table.
  is_plain_view boolean;
begin
  select c.oid, c.relkind = 'v' and not exists (select from pg_trigger t where t.tgrelid = c.oid and t.tgtype & 68 = 68)
  into target, is_plain_view
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where n.nspname = schema_name and c.relname = table_name and c.relkind in ('r', 'p', 'f', 'v');
  if target is null then
    return;
  end if;
  return query
    select
      (
        select coalesce(json_agg(d order by d.position), '[]') from (
          select
            a.attnum as position,
            a.attname as name,
            format_type(a.atttypid, a.atttypmod) as type,
            -- The type under any domains, which decides how a value is written.
            format_type(coalesce(nullif(t.typbasetype, 0), t.oid), null) as base_type,
            t.typtype = 'e' as is_enum,
            a.attgenerated = '' and (not is_plain_view or pg_column_is_updatable(target, a.attnum, false)) as insertable,
            a.attidentity = 'a' as identity_always,
            -- A plain view hides the defaults of its table.
            a.atthasdef or a.attidentity <> '' or t.typdefault is not null or is_plain_view as has_default,
            case when t.typtype in ('c', 'd') or t.typcategory in ('A', 'U') then s3_connector_import.json_shape(t.oid) end as shape,
            col_description(target, a.attnum) as comment
          from pg_attribute a join pg_type t on t.oid = a.atttypid
          where a.attrelid = target and a.attnum > 0 and not a.attisdropped
        ) d
      ),
      t.splittable,
      t.may_leave_out,
      t.may_leave_updates,
      s3_connector_import.is_filled_by_insert(target, owner),
      s3_connector_import.has_columnstore(target)
    from s3_connector_import.table_traits(target) t;
end;
$$;
comment on function s3_connector_import.describe_table(text, text, name) is
  'Returns the columns of a table or view in order, its table_traits, whether its rows come by INSERT for this owner, and whether it has a columnstore. Of each column: its type, the type under its domain, whether it is an enum, whether a file may fill it, whether it is an identity that is generated always, whether it gets a value by itself (a default, an identity), and its comment. No row if there is no such table.';

create or replace function s3_connector_import.unique_keys(schema_name text, table_name text)
returns setof text[] language sql stable set search_path = pg_catalog, pg_temp as $$
  select array_agg(a.attname::text order by k.position)
  from pg_index i
  join pg_class c on c.oid = i.indrelid
  join pg_namespace n on n.oid = c.relnamespace
  cross join lateral unnest(i.indkey::smallint[]) with ordinality as k (attnum, position)
  join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum
  where n.nspname = schema_name and c.relname = table_name
    -- ON CONFLICT can only name an index without expressions and conditions that is checked immediately.
    and i.indisunique and i.indisvalid and i.indimmediate and i.indpred is null and i.indexprs is null
    and k.position <= i.indnkeyatts
  group by i.indexrelid, i.indisprimary
  order by i.indisprimary desc, count(*), i.indexrelid;
$$;
comment on function s3_connector_import.unique_keys(text, text) is
  'Returns the columns of a table''s primary key and unique indexes, primary key first.';

create or replace function s3_connector_import.key_operators(schema_name text, table_name text, key text[])
returns text[] language sql stable set search_path = pg_catalog, pg_temp as $$
  select k.operators
  from pg_index i
  cross join lateral (
    select array_agg(a.attname::text order by x.position) as columns,
      array_agg(format('operator(%I.%s)', n.nspname, o.oprname) order by x.position) as operators
    from unnest(i.indkey::smallint[], i.indclass::oid[]) with ordinality as x (attnum, opclass, position)
    join pg_attribute a on a.attrelid = i.indrelid and a.attnum = x.attnum
    join pg_opclass c on c.oid = x.opclass
    join pg_am m on m.oid = c.opcmethod
    -- 3 is the strategy of equality in a B-tree.
    join pg_amop p on p.amopfamily = c.opcfamily and p.amoplefttype = c.opcintype and p.amoprighttype = c.opcintype and p.amopstrategy = 3
    join pg_operator o on o.oid = p.amopopr
    join pg_namespace n on n.oid = o.oprnamespace
    where x.position <= i.indnkeyatts and m.amname = 'btree'
  ) k
  where i.indrelid = s3_connector_import.relation_oid(schema_name, table_name) and i.indisunique and i.indisvalid
    and i.indpred is null and i.indexprs is null and k.columns = key
  order by i.indisprimary desc, i.indexrelid limit 1;
$$;
comment on function s3_connector_import.key_operators(text, text, text[]) is
  'Returns the equality operators of the unique index over these columns, as SQL writes them with their schemas.';

create or replace function s3_connector_import.later_operator(type_oid oid)
returns text language sql stable set search_path = pg_catalog, pg_temp as $$
  with recursive under as (
    select t.* from pg_type t where t.oid = type_oid
    union all
    select b.* from under u join pg_type b on b.oid = u.typbasetype where u.typtype = 'd'
  )
  select format('operator(%I.%s)', n.nspname, o.oprname)
  from under t
  join pg_opclass c on c.opcdefault and (
    c.opcintype = t.oid
    or c.opcintype = 'anyenum'::regtype and t.typtype = 'e'
    or exists (
      select from pg_cast b
      where b.castsource = t.oid and b.casttarget = c.opcintype and b.castmethod = 'b' and b.castcontext = 'i'
    )
  )
  join pg_am m on m.oid = c.opcmethod and m.amname = 'btree'
  -- 5 is the strategy of "greater than" in a B-tree.
  join pg_amop p on p.amopfamily = c.opcfamily and p.amoplefttype = c.opcintype and p.amoprighttype = c.opcintype and p.amopstrategy = 5
  join pg_operator o on o.oid = p.amopopr
  join pg_namespace n on n.oid = o.oprnamespace
  where t.typtype <> 'd'
  order by c.opcintype = t.oid desc, c.oid limit 1;
$$;
comment on function s3_connector_import.later_operator(oid) is
  'Returns the operator that says whether one value of a type is greater than another, as SQL writes it with its schema; null if the type has no order.';

create or replace function s3_connector_import.may_suppress(schema_name text, table_name text)
returns boolean language sql stable set search_path = pg_catalog, pg_temp as $$
  select exists (
    select from (
      select s3_connector_import.relation_oid(schema_name, table_name)
      union select relid from pg_partition_tree(s3_connector_import.relation_oid(schema_name, table_name))
    ) r (oid)
    join pg_trigger t on t.tgrelid = r.oid
    join pg_proc p on p.oid = t.tgfoid
    -- TimescaleDB's own triggers suppress no row.
    join pg_namespace n on n.oid = p.pronamespace and n.nspname not like '\_timescaledb%'
    -- Before each row.
    where t.tgtype & 3 = 3 and not t.tgisinternal and t.tgenabled <> 'D'
  );
$$;
comment on function s3_connector_import.may_suppress(text, text) is
  'Returns whether a trigger before each row of a table or its partitions could suppress an insert, an update or a delete.';

create or replace function s3_connector_import.timescaledb_schema()
returns text language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  return (
    select n.nspname::text from pg_extension e join pg_namespace n on n.oid = e.extnamespace
    where e.extname = 'timescaledb'
  );
end;
$$;
comment on function s3_connector_import.timescaledb_schema() is
  'Returns the schema that holds TimescaleDB''s functions; null if the extension is not installed.';
