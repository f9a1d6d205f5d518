-- The "login for imports": the role of the sessions in which owners' code runs. Such code can reset its role to that login, so
-- the login is a member of owners and can do nothing else. It changes the connector's state only through "state functions",
-- which need the "token" of a running attempt or request. Only the worker that runs it knows the token.

create or replace function s3_connector_private.renew_import_secret()
returns void language sql set search_path = pg_catalog, pg_temp as $$
  delete from s3_connector_private.import_secret;
  -- 32 bytes, of which 244 bits are random.
  insert into s3_connector_private.import_secret (secret)
  values (uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()));
$$;
comment on function s3_connector_private.renew_import_secret() is
  'Makes a new secret for tokens. Tokens of running attempts no longer count.';

-- At the first migration, and after a restore of the schema alone.
select s3_connector_private.renew_import_secret() where not exists (select from s3_connector_private.import_secret);

create or replace function s3_connector_private.import_token(kind text, of_id bigint)
returns text language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  return (
    -- Hashed twice, as an HMAC is. After a restore of only the data there may be two secrets.
    select encode(sha256(s.secret || sha256(s.secret || convert_to(kind, 'UTF8') || int8send(of_id))), 'hex')
    from s3_connector_private.import_secret s order by s.id limit 1
  );
end;
$$;
comment on function s3_connector_private.import_token(text, bigint) is
  'Returns the token of an attempt or a request. Store and log it nowhere, and send it only as a bound value.';

create or replace function s3_connector_private.check_token(kind text, of_id bigint, token text)
returns void language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  if (token = s3_connector_private.import_token(kind, of_id)) is not true then
    raise exception 'this is not the token of % %; nothing was changed', kind, of_id using errcode = 'S3C02';
  end if;
end;
$$;
comment on function s3_connector_private.check_token(text, bigint, text) is
  'Raises S3C02 unless the token is that of the attempt or the request.';

create or replace function s3_connector_private.import_role_refusal(import_role name)
returns text language sql stable set search_path = pg_catalog, pg_temp as $$
  select case
    when r.rolsuper then 'it is a superuser'
    when owner.name is not null then format('it may become %I, which owns the connector''s tables', owner.name)
    when schemas.name is not null then format('it may create objects in, or has usage on, the schema %s', schemas.name)
    when tables.name is not null then format('it has privileges on %s', tables.name)
    when groups.name is not null then format('it is a member of %I', groups.name)
    when functions.name is not null then format('it may call %s', functions.name)
  end
  from pg_roles r
  left join lateral (
    select min(o.rolname) as name
    from pg_namespace n join pg_roles o on o.oid = n.nspowner
    where n.nspname in ('s3_connector', 's3_connector_ask', 's3_connector_private', 's3_connector_import', 's3_connector_queue') and pg_has_role(r.oid, o.oid, 'member')
  ) owner on true
  left join lateral (
    select min(n.nspname) as name from pg_namespace n
    where n.nspname in ('s3_connector_ask', 's3_connector_private', 's3_connector_queue') and has_schema_privilege(r.oid, n.oid, 'usage')
      or n.nspname in ('s3_connector', 's3_connector_import') and has_schema_privilege(r.oid, n.oid, 'create')
  ) schemas on true
  left join lateral (
    select min(c.oid::regclass::text) as name
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname in ('s3_connector', 's3_connector_private', 's3_connector_queue') and c.relkind in ('r', 'v')
      and has_table_privilege(r.oid, c.oid, 'select, insert, update, delete, truncate, references, trigger')
  ) tables on true
  left join lateral (
    -- Owners may be members.
    select min(g.rolname) as name
    from pg_auth_members m join pg_roles g on g.oid = m.roleid
    where m.member = r.oid and g.rolname in ('s3_connector_reader', 's3_connector_operator', 's3_connector_admin')
  ) groups on true
  left join lateral (
    select min(p.oid::regprocedure::text) as name
    from pg_proc p join pg_namespace n on n.oid = p.pronamespace
    where n.nspname in ('s3_connector', 's3_connector_ask', 's3_connector_private') and has_function_privilege(r.oid, p.oid, 'execute')
  ) functions on true
  where r.rolname = import_role;
$$;
comment on function s3_connector_private.import_role_refusal(name) is
  'Returns what a role may do that the login for imports must not; null if nothing.';

create or replace function s3_connector_private.import_grants(import_role name)
returns setof text language sql stable set search_path = pg_catalog, pg_temp as $$
  select format('grant usage on schema s3_connector_import to %I', import_role)
  where not has_schema_privilege(import_role, 's3_connector_import', 'usage')
  union all
  -- Granted directly, because the login inherits nothing.
  select format('grant execute on function %s to %I', p.oid::regprocedure, import_role)
  from pg_proc p
  where p.pronamespace = 's3_connector_import'::regnamespace and not has_function_privilege(import_role, p.oid, 'execute');
$$;
comment on function s3_connector_private.import_grants(name) is
  'Returns the statements that let a role call the functions of an import; none if it already can.';

create or replace function s3_connector_private.admit_import_role(import_role name)
returns text language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  change text;
  refusal text;
begin
  -- With one login for everything, it owns these functions.
  if import_role = current_user then
    return null;
  end if;
  if exists (select from s3_connector_private.import_grants(import_role)) then
    -- Two workers that start together must not change the same grants.
    lock table s3_connector_private.import_secret in share row exclusive mode;
    for change in select s3_connector_private.import_grants(import_role) loop
      execute change;
    end loop;
  end if;
  return s3_connector_private.import_role_refusal(import_role);
end;
$$;
comment on function s3_connector_private.admit_import_role(name) is
  'Lets a role run imports: grants it the functions that an import calls. Returns why the role is not fit for that; null if it is.';

comment on table s3_connector_private.import_secret is 'The secret of which tokens are made. Only the owner of the schema may read it.';
