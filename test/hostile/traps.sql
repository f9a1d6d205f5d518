-- Run by traps.ts. Each trap has the oid of the object that it imitates, and sets the sequence to it: no rollback undoes that.
create sequence public.trapped;
grant all on sequence public.trapped to public;

create function public.trap_body(original oid) returns text language sql as $$
  select format('begin perform pg_catalog.setval(''public.trapped'', %s); raise exception ''a trap was sprung''; end', original)
$$;

create function public.lay_function(name text, arguments text, result text, original oid) returns void language plpgsql as $$
begin
  execute format('create function public.%I(%s) returns %s language plpgsql as %L', name, arguments, result, public.trap_body(original));
exception
  -- What plpgsql cannot have: other pseudo-types, or a polymorphic result without such an argument.
  when duplicate_function or invalid_function_definition or feature_not_supported or undefined_object or insufficient_privilege then
    null;
end;
$$;

-- Functions and aggregates with the same arguments.
select public.lay_function(
  p.proname,
  coalesce((
    select string_agg(replace(format_type(t, null), '"any"', 'anyelement'), ', ' order by nr)
    from unnest(p.proargtypes::oid[]) with ordinality a (t, nr)
  ), ''),
  case when p.proretset then 'setof ' else '' end || format_type(p.prorettype, null),
  p.oid
)
from pg_proc p
where p.pronamespace = 'pg_catalog'::regnamespace and p.provariadic <> '"any"'::regtype;

-- Better matches than PostgreSQL's own variadic functions, such as format and json_build_object.
with types (name) as (values (''), ('text'), ('name'), ('bigint'), ('integer'), ('jsonb')),
lists as (
  select distinct concat_ws(', ', nullif(a.name, ''), nullif(b.name, ''), nullif(c.name, '')) as arguments
  from types a cross join types b cross join types c
)
select public.lay_function(p.proname, l.arguments, format_type(p.prorettype, null), p.oid)
from pg_proc p cross join lists l
where p.pronamespace = 'pg_catalog'::regnamespace and p.proname in ('format', 'concat_ws', 'json_build_object', 'jsonb_build_object')
  and l.arguments <> '' and (p.proname <> 'format' or l.arguments like 'text%');

-- Better matches than polymorphic functions.
select public.lay_function(p.proname, replace(a.arguments, 'anyarray', 'text[]'), format_type(p.prorettype, null), p.oid)
from pg_proc p
cross join lateral (
  select string_agg(format_type(t, null), ', ' order by nr) as arguments from unnest(p.proargtypes::oid[]) with ordinality u (t, nr)
) a
where p.pronamespace = 'pg_catalog'::regnamespace and a.arguments ~ '^anyarray' and a.arguments !~ 'any(element|compatible)'
  and p.prorettype = any (array['integer', 'text', 'boolean', 'bigint']::regtype[]);

create function public.lay_operator(name text, left_type oid, right_type oid, result oid, original oid) returns void language plpgsql as $$
begin
  perform public.lay_function('trap_' || original,
    concat_ws(', ', format_type(nullif(left_type, 0), null), format_type(right_type, null)), format_type(result, null), original);
  execute format('create operator public.%s (function = public.%I%s, rightarg = %s)', name, 'trap_' || original,
    coalesce(', leftarg = ' || format_type(nullif(left_type, 0), null), ''), format_type(right_type, null));
exception when others then
  null;
end;
$$;

select public.lay_operator(o.oprname, o.oprleft, o.oprright, o.oprresult, o.oid)
from pg_operator o where o.oprnamespace = 'pg_catalog'::regnamespace and o.oprcode <> 0;

-- Types: a cast to a domain runs its check. Names such as integer and bigint are not looked up on the path.
select public.lay_function('trap_type_' || t.typname, '', 'boolean', t.oid)
from pg_type t where t.typnamespace = 'pg_catalog'::regnamespace and t.typtype = 'b' and t.typcategory <> 'A';
do $$
declare
  type name;
begin
  foreach type in array '{text,name,json,jsonb,oid,uuid,timestamptz,int2,int4,int8,numeric,regclass,regtype,regproc}'::name[] loop
    execute format('create domain public.%1$I as pg_catalog.%1$I check (public.trap_type_%1$s())', type);
  end loop;
end;
$$;
