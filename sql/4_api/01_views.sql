-- The views that people read. First in this folder, because metrics reads one of them.

create or replace view s3_connector.file_history as
  select f.connector_name, f.key, h.from_status, h.to_status, h.at, h.seconds, h.attempt, h.message
  from s3_connector_private.file_history h
  join s3_connector.files f on f.id = h.file_id;
comment on view s3_connector.file_history is
  'One row per change of a file''s status: the earlier and the new status, when, and how many seconds the earlier one lasted.';

create or replace view s3_connector.rejected_rows as
  select f.connector_name, f.key, r.line, r.column_name, r.error, r.raw
  from s3_connector_private.rejected_rows r
  join s3_connector.files f on f.id = r.file_id;
comment on view s3_connector.rejected_rows is
  'Rows that an import refused and left out: line number in the file, column, reason, and the raw line.';

create or replace view s3_connector.workers as
  select
    w.id, w.host, w.pid, w.version, w.concurrency,
    w.stopped_at is null and w.id in (select s3_connector_private.alive_workers()) as alive,
    w.started_at, w.stopped_at,
    array(
      select f.connector_name || ': ' || f.key from s3_connector.files f
      where f.worker_id = w.id and f.status = 'running' order by f.started_at
    ) as running,
    w.role, w.notice, w.import_role, w.external_id
  from s3_connector_private.workers w;
comment on view s3_connector.workers is
  'Worker processes: whether each is alive (holds its lock), when it started, and which files it is importing.';

create or replace view s3_connector.running_files as
  select
    f.connector_name, f.key, f.attempts as attempt, f.size_bytes, f.started_at, f.worker_id,
    p.bytes as bytes_copied, p.row_count as rows_copied,
    round(p.row_count / nullif(extract(epoch from clock_timestamp() - p.since), 0)) as rows_per_second,
    e.row_total, e.row_groups,
    -- Writers make all row groups of a file alike, except the last.
    trunc(p.row_count * e.row_groups / nullif(e.row_total, 0))::integer as row_groups_copied
  from s3_connector.files f
  left join s3_connector_private.copy_progress() p on p.file_id = f.id
  left join s3_connector_private.copy_totals() e on e.file_id = f.id
  where f.status = 'running';
comment on view s3_connector.running_files is
  'Files that are being imported now, with the bytes, rows and row groups that COPY has taken so far (null before it starts).';

create or replace view s3_connector_private.connector_figures as
  select
    c.name, c.state, p.marker,
    not (p.backlog or w.keys > 0 or (p.left_young and c.stop_when_caught_up) or r.rechecks)
      and o.since is null and coalesce(last_poll.error is null, false) as caught_up,
    p.last_poll_at,
    case c.state when 'running' then p.next_poll_at end as next_poll_at,
    t.in_queue, t.running, t.pending_retry, t.paused, t.success, t.failure, t.cancelled, t.undone,
    t.rows_total, t.bytes_total, t.rows_last_hour, t.bytes_last_hour, t.rows_last_day, t.bytes_last_day,
    t.last_success_at,
    case
      when o.since is not null then o.error
      when last_poll.error is not null and last_poll.at > coalesce(last_failure.at, '-infinity') then last_poll.error
      else last_failure.message
    end as last_error,
    l.late as late_files,
    nullif(concat_ws('; ', p.copy_notice, blocked.notice, outage.notice, refused.notice, absent.notice, audit.notice, p.notice,
      -- Without allow_unlogged, files for such a table fail.
      case when c.allow_unlogged then s3_connector_private.unlogged_notice(c.target_table) end), '') as notice,
    audited.at as last_audit_at,
    case c.state when 'running' then p.next_audit_at end as next_audit_at,
    l.late,
    t.in_queue + t.pending_retry + t.paused + u.keys + w.keys as waiting,
    case when t.in_queue + t.pending_retry + t.paused + u.keys + w.keys > 0 and t.bytes_last_hour > 0 then
      -- By bytes, because files differ in size. Not more than ten years, because an interval has a limit.
      least((t.waiting_bytes + u.bytes + w.bytes) / t.bytes_last_hour::float8, 87600)
        * least(interval '1 hour', now() - c.created_at)
    end as eta,
    t.rejected,
    grown.change as last_schema_change,
    -- The schedule's interval is the time from the last poll to the next one. A poll that somebody asked for counts as due then.
    c.state = 'running' and now() > greatest(p.next_poll_at, p.poll_asked_at, c.created_at)
      + 2 * greatest(p.next_poll_at - p.last_poll_at, interval '1 minute') as polls_overdue,
    o.since as unavailable_since,
    now() - (
      -- Only the first in key order of each status, by its index, because there may be a million. If nothing waits but there is
      -- a backlog, the last object that was enqueued is the nearest known one.
      select min(f.last_modified) from (
        (select f.last_modified from s3_connector.files f
          where f.connector_name = c.name and f.status = 'in_queue' and t.in_queue > 0 order by f.key limit 1)
        union all
        (select f.last_modified from s3_connector.files f
          where f.connector_name = c.name and f.status = 'running' and t.running > 0 order by f.key limit 1)
        union all
        (select f.last_modified from s3_connector.files f
          where f.connector_name = c.name and f.status = 'pending_retry' and t.pending_retry > 0 order by f.key limit 1)
        union all
        (select f.last_modified from s3_connector.files f
          where f.connector_name = c.name and f.status = 'paused' and t.paused > 0 order by f.key limit 1)
        union all
        (select u.last_modified from s3_connector_private.upcoming_keys u where u.connector_name = c.name order by u.key limit 1)
        union all
        (select f.last_modified from s3_connector.files f
          where f.connector_name = c.name and f.key = p.marker and p.backlog)
      ) f
    ) as lag
  from s3_connector.connectors c
  join s3_connector_private.progress p on p.connector_name = c.name
  left join s3_connector_private.outages o on o.connector_name = c.name
  left join s3_connector_private.owners_without_worker() absent on absent.owner = c.owner and c.state = 'running'
  left join lateral (
    select concat_ws('; ',
      format('the bucket has been unavailable since %s: %s', to_char(o.since at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS "UTC"'), o.error),
      case c.state when 'running' then
        to_char(least(o.next_try_at, p.next_poll_at) at time zone 'UTC', '"next try at" HH24:MI:SS "UTC"')
      end
    ) as notice
  ) outage on o.since is not null
  left join lateral (
    select format('imports wait, because %s; next try at %s', f.error_message,
      to_char(f.next_attempt_at at time zone 'UTC', 'HH24:MI:SS "UTC"')) as notice
    from s3_connector.files f
    where f.connector_name = c.name and f.status = 'in_queue' and f.next_attempt_at is not null
    limit 1
  ) refused on true
  left join lateral (
    select case
      when a.error is null then null
      when a.finished_at is not null then format('the last audit failed: %s', a.error)
      else format('the audit since %s waits, because %s; next try at %s',
        to_char(a.started_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI "UTC"'), a.error,
        to_char(a.next_try_at at time zone 'UTC', 'HH24:MI:SS "UTC"'))
    end as notice
    from s3_connector.audits a where a.connector_name = c.name order by a.started_at desc limit 1
  ) audit on true
  left join lateral (
    select a.finished_at as at from s3_connector.audits a
    where a.connector_name = c.name and not a.recheck and a.finished_at is not null and a.error_code is null order by a.started_at desc limit 1
  ) audited on true
  cross join lateral (
    select
      coalesce(sum(t.files) filter (where t.status = 'in_queue'), 0)::bigint as in_queue,
      coalesce(sum(t.files) filter (where t.status = 'running'), 0)::bigint as running,
      coalesce(sum(t.files) filter (where t.status = 'pending_retry'), 0)::bigint as pending_retry,
      coalesce(sum(t.files) filter (where t.status = 'paused'), 0)::bigint as paused,
      coalesce(sum(t.files) filter (where t.status = 'success'), 0)::bigint as success,
      coalesce(sum(t.files) filter (where t.status = 'failure'), 0)::bigint as failure,
      coalesce(sum(t.files) filter (where t.status = 'cancelled'), 0)::bigint as cancelled,
      coalesce(sum(t.files) filter (where t.status = 'undone'), 0)::bigint as undone,
      coalesce(sum(t.rows), 0)::bigint as rows_total,
      coalesce(sum(t.bytes) filter (where t.status = 'success'), 0)::bigint as bytes_total,
      coalesce(sum(t.rows_last_hour), 0)::bigint as rows_last_hour,
      coalesce(sum(t.bytes_last_hour), 0)::bigint as bytes_last_hour,
      coalesce(sum(t.rows_last_day), 0)::bigint as rows_last_day,
      coalesce(sum(t.bytes_last_day), 0)::bigint as bytes_last_day,
      coalesce(sum(t.bytes) filter (where t.status in ('in_queue', 'pending_retry', 'paused')), 0)::bigint as waiting_bytes,
      max(t.last_finished_at) filter (where t.status = 'success') as last_success_at,
      coalesce(sum(t.rejected), 0)::bigint as rejected
    from s3_connector_private.current_totals t where t.connector_name = c.name
  ) t
  cross join lateral (
    select count(*) as keys, coalesce(sum(k.size_bytes), 0)::bigint as bytes
    from s3_connector_private.upcoming_keys k where k.connector_name = c.name
  ) u
  cross join lateral (
    select exists (
      select from s3_connector.audits a where a.connector_name = c.name and a.recheck and not a.asked and a.finished_at is null
    ) or p.recheck_from is not null as rechecks
  ) r
  cross join lateral (
    select coalesce(sum(k.keys), 0)::bigint as late from s3_connector_private.late_totals k where k.connector_name = c.name
  ) l
  cross join lateral s3_connector_private.waiting_noted_keys(c) w
  left join lateral (
    select format('files that change rows wait for %1$L, which failed: correct it and call s3_connector.retry_file(%2$L, %1$L), or leave it out with s3_connector.cancel_file(%2$L, %1$L)',
      f.key, c.name) as notice
    from s3_connector.files f
    -- Only for such connectors: others may have many failures.
    where c.change_column is not null and t.failure > 0 and f.connector_name = c.name and f.status = 'failure'
    order by f.key limit 1
  ) blocked on true
  left join lateral (
    -- One index scan each, and only if there are such files.
    (select f.status_since as at, f.error_message as message from s3_connector.files f
      where f.connector_name = c.name and f.status = 'failure' and t.failure > 0
      order by f.finished_at desc nulls last limit 1)
    union all
    (select f.status_since, f.error_message from s3_connector.files f
      where f.connector_name = c.name and f.status = 'pending_retry' and t.pending_retry > 0
      order by f.status_since desc limit 1)
    order by at desc limit 1
  ) last_failure on t.failure + t.pending_retry > 0
  left join lateral (
    select q.started_at as at, q.error from s3_connector.polls q
    where q.connector_name = c.name order by q.started_at desc limit 1
  ) last_poll on true
  left join lateral (
    select format('%s: %s (%s)', to_char(s.at at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS "UTC"'), s.statement, s.key) as change
    from s3_connector.schema_changes s where s.connector_name = c.name order by s.id desc limit 1
  ) grown on true;
comment on view s3_connector_private.connector_figures is
  'The columns of connector_status, without its health.';
