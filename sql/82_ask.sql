-- What people ask the workers, and wait for: check, preview, dry_run_file, audit. A request is a row with a job
-- of its own. The procedures commit, so that a worker sees the request, and look for its answer.

create or replace function s3_connector._refused_commit()
returns text language plpgsql as $$
begin
  commit;
  return null;
exception when invalid_transaction_termination then
  return sqlerrm;
end;
$$;
comment on function s3_connector._refused_commit() is
  'What PostgreSQL says, in its language of the moment, to a commit inside a transaction block.';

create or replace function s3_connector_private.refuse_without_worker()
returns void language plpgsql as $$
begin
  if not exists (select from s3_connector_private.alive_workers()) then
    raise exception 'no worker is alive to answer'
      using errcode = 'object_not_in_prerequisite_state',
        hint = 'Start one with pg-s3-connector start. s3_connector.workers shows when the last ones ended.';
  end if;
end;
$$;
comment on function s3_connector_private.refuse_without_worker() is 'Raises 55000 where no worker is alive.';

create or replace function s3_connector._add_request(new_kind text, name text, new_argument text default null)
returns bigint language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  connector s3_connector.connectors := s3_connector_private.require_connector(name);
  request_id bigint;
begin
  perform s3_connector_private.refuse_without_worker();
  delete from s3_connector_private.requests r where r.asked_at < now() - interval '1 day';
  insert into s3_connector_private.requests (kind, connector_name, argument)
  values (new_kind, connector.name, new_argument) returning id into request_id;
  perform s3_connector_private.queue_request(new_kind, request_id);
  return request_id;
end;
$$;
comment on function s3_connector._add_request(text, text, text) is
  'Adds a request and its job, and removes requests older than a day; returns its id.';

create or replace function s3_connector_private.start_request(request_id bigint, new_worker_id integer)
returns table (id bigint, connector_name text, argument text) language sql as $$
  -- One that was begun is not begun again: whoever asked was told that its worker died.
  update s3_connector_private.requests r set worker_id = new_worker_id
  where r.id = request_id and r.worker_id is null
  returning r.id, r.connector_name, r.argument;
$$;
comment on function s3_connector_private.start_request(bigint, integer) is
  'Takes a request for a worker; no row where there is nothing to answer any more.';

create or replace function s3_connector_private.answer(request_id bigint, new_result jsonb)
returns void language sql as $$
  update s3_connector_private.requests r set answered_at = now(), result = new_result where r.id = request_id;
$$;
comment on function s3_connector_private.answer(bigint, jsonb) is
  'Answers a request. notices in the result are shown to whoever asked: [{"message": ..., "hint": ...}].';

create or replace function s3_connector_private.answer_with_error(
  request_id bigint, new_error_code text, new_error_message text, new_error_hint text
)
returns void language sql as $$
  update s3_connector_private.requests r
  set answered_at = now(), error_code = new_error_code, error_message = new_error_message, error_hint = new_error_hint
  where r.id = request_id;
$$;
comment on function s3_connector_private.answer_with_error(bigint, text, text, text) is
  'Answers a request with the error that whoever asked is to get.';

create or replace function s3_connector_private.refuse_unanswerable(request s3_connector_private.requests)
returns void language plpgsql as $$
begin
  if request.id is null then
    raise exception 'the connector was deleted before the answer came' using errcode = 'undefined_object';
  end if;
  if request.worker_id is null then
    perform s3_connector_private.refuse_without_worker();
  elsif request.worker_id not in (select s3_connector_private.alive_workers()) then
    raise exception 'worker % ended before it had answered', request.worker_id
      using errcode = 'object_not_in_prerequisite_state',
        hint = 'Ask again; if no worker is left, start one with pg-s3-connector start. s3_connector.workers shows which are alive.';
  end if;
end;
$$;
comment on function s3_connector_private.refuse_unanswerable(s3_connector_private.requests) is
  'Raises an error where no answer to the request can come any more.';

create or replace function s3_connector_private.raise_answered_error(request s3_connector_private.requests)
returns void language plpgsql as $$
begin
  if request.kind = 'dry_run_file' and request.error_code = 'object_missing' then
    perform s3_connector_private.require_file(request.connector_name, request.argument);
  end if;
  raise exception using
    message = request.error_message,
    detail = 'error_code ' || request.error_code,
    hint = coalesce(request.error_hint, 'The worker''s log says more.'),
    errcode = case request.error_code
      when 'worker_stopped' then 'object_not_in_prerequisite_state'
      else 'external_routine_exception'
    end;
end;
$$;
comment on function s3_connector_private.raise_answered_error(s3_connector_private.requests) is
  'Raises the error that a worker answered a request with.';

create or replace function s3_connector._read_answer(request_id bigint)
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
comment on function s3_connector._read_answer(bigint) is
  'The answer to a request; null while there is none. Raises the worker''s error, or that no answer can come any more.';

create or replace procedure s3_connector._raise_notices(notices jsonb)
language plpgsql as $$
declare
  notice jsonb;
begin
  for notice in select jsonb_array_elements(notices) loop
    if notice ->> 'hint' is null then
      raise notice using message = notice ->> 'message';
    else
      raise notice using message = notice ->> 'message', hint = notice ->> 'hint';
    end if;
  end loop;
end;
$$;
comment on procedure s3_connector._raise_notices(jsonb) is 'Raises each {"message": ..., "hint": ...} as a notice.';

-- Neither security definer nor with a fixed search_path, because such a procedure cannot commit.
create or replace procedure s3_connector._ask(kind text, name text, argument text, inout answer jsonb)
language plpgsql as $$
declare
  request_id bigint;
begin
  begin
    commit;
  exception when invalid_transaction_termination then
    -- Here a commit is refused in any case; what differs is the reason.
    if sqlerrm = s3_connector._refused_commit() then
      raise exception 's3_connector.% cannot be called inside a transaction', kind
        using errcode = 'active_sql_transaction',
          hint = 'It waits for a worker, which must see the request committed: call it on its own, outside begin and commit, with autocommit on.';
    end if;
  end;
  request_id := s3_connector._add_request(kind, name, argument);
  loop
    -- Each look is a transaction of its own, so that waiting holds no snapshot and no lock.
    commit;
    answer := s3_connector._read_answer(request_id);
    exit when answer is not null;
    perform pg_sleep(0.1);
  end loop;
  call s3_connector._raise_notices(answer -> 'notices');
end;
$$;
comment on procedure s3_connector._ask(text, text, text, jsonb) is
  'Asks the workers, waits for the answer and raises its notices or its error.';

create or replace procedure s3_connector.check(name text)
language plpgsql as $$
declare
  answer jsonb;
begin
  call s3_connector._ask('check', name, null, answer);
end;
$$;
comment on procedure s3_connector.check(text) is
  'Tries step by step what the connector needs (credentials, role, list, get, target, grants); the answer is in checks, and in notices.';

create or replace procedure s3_connector.preview(name text)
language plpgsql as $$
declare
  answer jsonb;
begin
  call s3_connector._ask('preview', name, null, answer);
end;
$$;
comment on procedure s3_connector.preview(text) is
  'Fills preview_files with the first 1,000 keys that match, and preview_columns with the columns of the first file that is not empty.';

create or replace procedure s3_connector.dry_run_file(
  name text,
  key text,
  inout rows_read bigint default null,
  inout rows_imported bigint default null,
  inout rows_rejected bigint default null,
  inout rows_skipped bigint default null,
  inout error_code text default null,
  inout error_message text default null
)
language plpgsql as $$
declare
  answer jsonb;
begin
  call s3_connector._ask('dry_run_file', name, key, answer);
  rows_read := answer ->> 'rows_read';
  rows_imported := answer ->> 'rows_imported';
  rows_rejected := answer ->> 'rows_rejected';
  rows_skipped := answer ->> 'rows_skipped';
  error_code := answer ->> 'error_code';
  error_message := answer ->> 'error_message';
end;
$$;
comment on procedure s3_connector.dry_run_file(text, text, bigint, bigint, bigint, bigint, text, text) is
  'Imports one file of the bucket, tracked or not, and rolls back: returns the counts or the error that an import would have, and changes nothing.';

create or replace procedure s3_connector.audit(name text)
language plpgsql as $$
declare
  answer jsonb;
begin
  call s3_connector._ask('audit', name, null, answer);
end;
$$;
comment on procedure s3_connector.audit(text) is
  'Lists all that matches up to the marker and fills late_files: keys that were never tracked (late), and imported ones that were overwritten since.';
