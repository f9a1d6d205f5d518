-- A "bundle": small files of one connector that one job imports together, in one transaction. Each has an attempt of its own.

create or replace function s3_connector_private.takes_bundles(connector s3_connector.connectors)
returns boolean language sql stable set search_path = pg_catalog, pg_temp as $$
  -- With max_attempts = 1, a file that ends the worker would fail all files of its bundle.
  select connector.change_column is null and connector.on_import is null and connector.transform is null
    and connector.on_conflict = 'fail' and not connector.columnstore and connector.max_attempts > 1
    and connector.rescue_column is null and not exists (
      select from s3_connector.column_mappings m where m.connector_name = connector.name and m.expression is not null
    );
$$;
comment on function s3_connector_private.takes_bundles(s3_connector.connectors) is
  'Returns whether files of a connector may be imported together, as far as its settings decide that.';

create or replace function s3_connector_private.fits_bundle(file s3_connector.files)
returns boolean language sql immutable parallel safe
-- 256 KiB: a larger file gains little. A file that was tried before is tried alone: it may have ended the worker.
return (file).size_bytes <= 262144 and (file).replaces is null and (file).attempts = 0;
comment on function s3_connector_private.fits_bundle(s3_connector.files) is
  'Returns whether a waiting file is small, and nothing stands against importing it together with others.';

create or replace function s3_connector_private.total_places()
returns bigint language sql stable set search_path = pg_catalog, pg_temp as $$
  select greatest(sum(w.concurrency), 1)::bigint from s3_connector_private.workers w where w.stopped_at is null;
$$;
comment on function s3_connector_private.total_places() is 'Returns how many files all workers import at the same time.';

create or replace function s3_connector_private.choose_bundle(first_file s3_connector.files, most_files integer, slots bigint)
returns bigint[] language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  places bigint := s3_connector_private.total_places();
  -- One turn of a connector is one file of any size, or one bundle.
  most_bytes bigint := 4194304;
  -- Fewer files, or fewer bytes, are not worth a transaction of their own in each place.
  least_files bigint := 25;
  least_bytes bigint := 524288;
begin
  return array(
    select c.id
    from (
      select w.id, row_number() over keys as nr, bool_and(w.fits) over keys as all_fit,
        first_file.size_bytes + sum(w.size_bytes) over keys as bytes, count(*) over () as waiting
      from (
        select f.id, f.key, f.size_bytes, s3_connector_private.fits_bundle(f) as fits
        from s3_connector.files f
        where f.connector_name = first_file.connector_name and f.status = 'in_queue' and f.key > first_file.key
        order by f.key limit most_files * places
      ) w
      window keys as (order by w.key)
    ) c
    where c.all_fit and c.bytes <= most_bytes and c.nr < most_files
      -- Every place gets its share, if that is worth it.
      and (c.nr < ceil((c.waiting + 1)::numeric / places) or (c.nr < least_files and c.bytes <= least_bytes))
      and (slots is null or c.nr <= slots)
    order by c.nr
  );
end;
$$;
comment on function s3_connector_private.choose_bundle(s3_connector.files, integer, bigint) is
  'Returns the waiting files that follow a file and may be imported with it, in key order: fewer than most_files, no more than slots, and only the share of one place unless that is small.';

create or replace function s3_connector_private.begin_bundle(first_file s3_connector.files, most_files integer)
returns setof s3_connector.files language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  connector s3_connector.connectors;
  chosen bigint[];
begin
  -- A file that arrives alone, as most do, costs none of the rest.
  if not exists (
    select from s3_connector.files f
    where f.connector_name = first_file.connector_name and f.status = 'in_queue' and f.key > first_file.key
  ) then
    return;
  end if;
  select c.* into connector from s3_connector.connectors c where c.name = first_file.connector_name;
  first_file.attempts := first_file.attempts - 1;
  -- Other places hold the lock while they begin their bundles, and an open transaction of a person for any time.
  if not s3_connector_private.takes_bundles(connector) or not s3_connector_private.fits_bundle(first_file)
    or not s3_connector_private.lock_queue_soon(connector.name) then
    return;
  end if;
  chosen := s3_connector_private.choose_bundle(first_file, most_files, s3_connector_private.free_slots(connector.name));
  chosen := array(
    select f.id from s3_connector.files f where f.id = any (chosen) and f.status = 'in_queue' order by f.key for update skip locked
  );
  if chosen = '{}' then
    return;
  end if;
  return query select * from s3_connector_private.begin_attempts(
    array(select s3_connector_private.take_import_jobs(chosen)), first_file.worker_id
  );
end;
$$;
comment on function s3_connector_private.begin_bundle(s3_connector.files, integer) is
  'Begins attempts at small files that wait behind a file whose attempt has begun, removes their jobs, and returns them. Waits a moment for the lock of the queue, and for no other transaction.';

create or replace function s3_connector_private.requeue_files(file_ids bigint[])
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  queued bigint[];
begin
  with requeued as (
    update s3_connector.files f
    set status = case c.state when 'paused' then 'paused' else 'in_queue' end::s3_connector.file_status,
      attempts = f.attempts - 1, worker_id = null, attempt_id = null
    from s3_connector.connectors c
    where f.id = any (file_ids) and c.name = f.connector_name
    returning f.id, f.status
  )
  select array_agg(r.id) filter (where r.status = 'in_queue') into queued from requeued r;
  perform s3_connector_private.add_import_jobs(queued);
end;
$$;
comment on function s3_connector_private.requeue_files(bigint[]) is
  'Ends attempts that do not count: their files are queued again, or are paused with their connector. The caller has locked both.';

create or replace function s3_connector_private.give_back_attempts(attempt_ids bigint[])
returns bigint language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  files bigint[];
begin
  -- The connector must not be paused or resumed until the files are either paused or have jobs.
  perform from s3_connector.connectors c
  where c.name in (select f.connector_name from s3_connector.files f where f.status = 'running' and f.attempt_id = any (attempt_ids))
  order by c.name for share;
  files := array(
    select f.id from s3_connector.files f
    where f.status = 'running' and f.attempt_id = any (attempt_ids) order by f.connector_name, f.key for update
  );
  perform s3_connector_private.requeue_files(files);
  return cardinality(files);
end;
$$;
comment on function s3_connector_private.give_back_attempts(bigint[]) is
  'Ends attempts that a worker has begun with a bundle and does not make now, without counting them. Returns how many still owned their files.';

create or replace function s3_connector_private.free_lost_attempts(
  of_worker_id integer, running_attempts bigint[], out freed bigint, out held bigint
)
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  -- The answer with a younger attempt may still be on its way to the worker.
  begun_before timestamptz := now() - interval '3 seconds';
  lost bigint[];
begin
  lost := array(
    select f.id
    from s3_connector.files f
    join s3_connector.connectors c on c.name = f.connector_name
    where f.status = 'running' and f.worker_id = of_worker_id and f.attempt_id <> all (running_attempts)
      and f.started_at < begun_before
    for update of f skip locked for share of c skip locked
  );
  -- A worker that runs such an attempt after all stops it at once.
  perform s3_connector_private.stop_attempt(f.attempt_id) from s3_connector.files f where f.id = any (lost);
  perform s3_connector_private.requeue_files(lost);
  freed := cardinality(lost);
  held := (
    select count(*) from s3_connector.files f
    where f.status = 'running' and f.worker_id = of_worker_id and f.attempt_id <> all (running_attempts)
      and f.started_at < begun_before
  );
end;
$$;
comment on function s3_connector_private.free_lost_attempts(integer, bigint[]) is
  'Queues files again whose attempts a live worker began but does not run, because the answer with the attempts was lost. Such attempts do not count. Returns how many, and how many are left because another transaction holds them.';
