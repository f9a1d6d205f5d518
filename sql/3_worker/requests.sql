-- Requests of people to the workers: the private part of check, preview, dry_run_file, audit, undo_file and reimport_file. "Request": a row of requests
-- with its own job. The procedures commit, so that a worker sees the request, and then poll for the answer.

create or replace function s3_connector_ask.refused_commit()
returns text language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  commit;
  return null;
exception when invalid_transaction_termination then
  return sqlerrm;
end;
$$;
comment on function s3_connector_ask.refused_commit() is
  'Returns PostgreSQL''s error for a commit inside a transaction block, in the session''s language.';

create or replace function s3_connector_private.refuse_without_worker()
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  if not exists (select from s3_connector_private.alive_workers()) then
    raise exception 'no worker is alive to answer'
      using errcode = 'object_not_in_prerequisite_state',
        hint = 'Start a worker: pg-s3-connector start. See when earlier workers stopped: select id, host, stopped_at from s3_connector.workers order by id;';
  end if;
end;
$$;
comment on function s3_connector_private.refuse_without_worker() is 'Raises 55000 if no worker is alive.';

create or replace function s3_connector_private.refuse_foreign_key(connector s3_connector.connectors, key text)
returns void language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  -- An error message quotes the file's content. The worker may read more of the bucket than the caller.
  if s3_connector_private.takes_key(connector, key)
    or exists (select from pg_roles r where r.rolname = connector.owner and pg_has_role(session_user, r.oid, 'member'))
    or exists (select from s3_connector.files f where f.connector_name = connector.name and f.key = refuse_foreign_key.key) then
    return;
  end if;
  raise exception 'cannot read %: the pattern of connector % does not match it', quote_literal(key), quote_literal(connector.name)
    using errcode = 'insufficient_privilege',
      hint = format('Only the owner of the connector, %I, may try other keys than those that match %L.', connector.owner, connector.pattern);
end;
$$;
comment on function s3_connector_private.refuse_foreign_key(s3_connector.connectors, text) is
  'Raises 42501 if the connector does not import the key, unless the session may become the connector''s owner.';

create or replace function s3_connector_ask.add_request(new_kind text, name text, new_argument text default null)
returns bigint language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  connector s3_connector.connectors := s3_connector_private.require_connector(name);
  request_id bigint;
begin
  if new_kind = 'dry_run_file' then
    perform s3_connector_private.refuse_foreign_key(connector, new_argument);
  end if;
  perform s3_connector_private.refuse_without_worker();
  perform s3_connector_private.delete_old_requests();
  insert into s3_connector_private.requests (kind, connector_name, argument)
  values (new_kind, connector.name, new_argument) returning id into request_id;
  perform s3_connector_private.queue_request(request_id);
  return request_id;
end;
$$;
comment on function s3_connector_ask.add_request(text, text, text) is
  'Adds a request and its job, and deletes requests older than a day. Returns its id. Refuses a key that the caller may not read.';

create or replace function s3_connector_private.start_request(request_id bigint, new_worker_id integer)
returns table (id bigint, connector_name text, argument text) language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  -- The worker may not know yet that another one runs for this owner.
  perform s3_connector_private.queue_request(r.id, now() + interval '1 second')
  from s3_connector_private.requests r join s3_connector.connectors c on c.name = r.connector_name
  where r.id = request_id and r.answered_at is null and s3_connector_private.belongs_elsewhere(c.owner, new_worker_id);
  -- A request is begun only once: if its worker died, the caller has already got that error. While that worker lives, the caller
  -- waits, and the job is here again because its run ended without an answer. Nobody waits for an undo, and doing it twice does
  -- no harm.
  return query update s3_connector_private.requests r set worker_id = new_worker_id
  where r.id = request_id and r.answered_at is null
    and (
      r.worker_id is null or r.kind in ('undo_file', 'reimport_file')
      or r.worker_id in (select s3_connector_private.alive_workers())
    )
    and not exists (
      select from s3_connector.connectors c
      where c.name = r.connector_name and s3_connector_private.belongs_elsewhere(c.owner, new_worker_id)
    )
  returning r.id, r.connector_name, r.argument;
end;
$$;
comment on function s3_connector_private.start_request(bigint, integer) is
  'Assigns a request to a worker and returns it. No row if it no longer needs an answer.';

create or replace function s3_connector_private.wake_undos()
returns void language sql set search_path = pg_catalog, pg_temp as $$
  select s3_connector_private.queue_request(r.id)
  from s3_connector_private.requests r
  where r.answered_at is null and r.kind in ('undo_file', 'reimport_file')
    and not exists (
      select from s3_connector_private.jobs() j
      where j.key = s3_connector_private.request_job_key(r.id) and (j.waits or j.begun)
    );
$$;
comment on function s3_connector_private.wake_undos() is
  'Queues jobs for undo_file and reimport_file that have none. Nobody waits for their answers. A safeguard, for example after somebody deleted jobs.';

create or replace function s3_connector_private.answer(request_id bigint, new_result jsonb)
returns void language sql set search_path = pg_catalog, pg_temp as $$
  update s3_connector_private.requests r set answered_at = now(), result = new_result where r.id = request_id;
$$;
comment on function s3_connector_private.answer(bigint, jsonb) is
  'Stores the answer to a request. The caller sees the notices in the result: [{"message": ..., "hint": ...}].';

create or replace function s3_connector_private.answer_with_error(
  request_id bigint, new_error_code text, new_error_message text, new_error_hint text
)
returns void language sql set search_path = pg_catalog, pg_temp as $$
  update s3_connector_private.requests r
  set answered_at = now(), error_code = new_error_code, error_message = new_error_message, error_hint = new_error_hint
  where r.id = request_id;
$$;
comment on function s3_connector_private.answer_with_error(bigint, text, text, text) is
  'Stores an error as the answer to a request. The caller gets it.';

create or replace function s3_connector_private.refuse_unanswerable(request s3_connector_private.requests)
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  if request.id is null then
    raise exception 'the connector was deleted before the answer came' using errcode = 'undefined_object';
  end if;
  if request.worker_id is null then
    perform s3_connector_private.refuse_without_worker();
  elsif request.worker_id not in (select s3_connector_private.alive_workers()) then
    raise exception 'worker % stopped before it answered', request.worker_id
      using errcode = 'object_not_in_prerequisite_state',
        hint = 'Call it again. If no worker is alive, start one: pg-s3-connector start. See which are alive: select id, host, alive from s3_connector.workers;';
  end if;
end;
$$;
comment on function s3_connector_private.refuse_unanswerable(s3_connector_private.requests) is
  'Raises an error if the request can no longer be answered.';

create or replace function s3_connector_private.raise_answered_error(request s3_connector_private.requests)
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  if request.kind = 'dry_run_file' and request.error_code = 'object_missing' then
    perform s3_connector_private.require_file(request.connector_name, request.argument);
  end if;
  raise exception using
    message = request.error_message,
    detail = 'error_code ' || request.error_code,
    hint = coalesce(request.error_hint, 'Look in the worker''s log for details.'),
    errcode = case request.error_code
      when 'worker_stopped' then 'object_not_in_prerequisite_state'
      else 'external_routine_exception'
    end;
end;
$$;
comment on function s3_connector_private.raise_answered_error(s3_connector_private.requests) is
  'Raises the error that a worker stored as the answer to a request.';

create or replace function s3_connector_ask.read_answer(request_id bigint)
returns jsonb language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  request s3_connector_private.requests;
begin
  select * into request from s3_connector_private.requests r where r.id = request_id;
  if request.answered_at is null then
    perform s3_connector_private.refuse_unanswerable(request);
    return null;
  end if;
  if request.error_code is not null then
    perform s3_connector_private.raise_answered_error(request);
  end if;
  return request.result;
end;
$$;
comment on function s3_connector_ask.read_answer(bigint) is
  'Returns the answer to a request; null while there is none. Raises the worker''s error, or an error if no answer can come.';

create or replace procedure s3_connector_ask.raise_notices(answer jsonb)
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  notice jsonb;
begin
  for notice in select jsonb_array_elements(answer -> 'notices') loop
    if notice ->> 'hint' is null then
      raise notice using message = notice ->> 'message';
    else
      raise notice using message = notice ->> 'message', hint = notice ->> 'hint';
    end if;
  end loop;
end;
$$;
comment on procedure s3_connector_ask.raise_notices(jsonb) is 'Raises the notices of an answer, {"notices": [{"message": ..., "hint": ...}]}.';

-- Not security definer and without a fixed search_path: a procedure with either cannot commit. So it names the schema of everything
-- that it uses: functions, operators and types.
create or replace procedure s3_connector_ask.ask(kind text, name text, argument text, inout answer jsonb)
language plpgsql as $$
declare
  request_id pg_catalog.int8;
begin
  begin
    commit;
  exception when invalid_transaction_termination then
    -- A commit is refused in this block in any case. Only the message tells whether the caller is in a transaction.
    if sqlerrm operator(pg_catalog.=) s3_connector_ask.refused_commit() then
      raise exception 's3_connector.% cannot be called inside a transaction', kind
        using errcode = 'active_sql_transaction',
          hint = 'Call it as a single statement, outside begin and commit, with autocommit on. It waits for a worker, which must see the request committed.';
    end if;
  end;
  request_id := s3_connector_ask.add_request(kind, name, argument);
  loop
    -- Each check is its own transaction, so that waiting holds no snapshot and no lock.
    commit;
    answer := s3_connector_ask.read_answer(request_id);
    exit when answer is not null;
    perform pg_catalog.pg_sleep(0.1);
  end loop;
  call s3_connector_ask.raise_notices(answer);
end;
$$;
comment on procedure s3_connector_ask.ask(text, text, text, jsonb) is
  'Sends a request to the workers, waits for the answer, and raises its notices or its error.';
