/** Queries of a history about its connector, by name. */

const JOBS = `exists (
      select from s3_connector_queue.jobs j where j.key = s3_connector_private.poll_job_key($1)
    ) or exists (
      select from s3_connector_queue.jobs j join s3_connector.files f on j.key = s3_connector_private.import_job_key(f.id)
      where f.connector_name = $1
    ) or exists (
      select from s3_connector_private.requests r
      where r.connector_name = $1 and r.kind = 'undo_file' and r.answered_at is null
    )`;

/** Whether the connector cannot have settled. PostgreSQL plans it in a tenth of the time that SETTLED takes, which is read afterwards. */
export const BUSY = `
  select ${JOBS} or exists (
      select from s3_connector.files f where f.connector_name = $1 and f.status in ('running', 'pending_retry')
    ) as busy`;

/** Whether nothing of the connector runs or waits. A file that failed blocks later ones that change rows; they wait. */
export const SETTLED = `
  select s.running + s.pending_retry = 0 and not (${JOBS}) and case s.state
      when 'running' then s.caught_up and blocked.in_queue and s.waiting = s.in_queue
      else true end as settled,
    s.state = 'running' and not s.caught_up and poll.error is not null as failed_poll,
    s.state, s.caught_up, s.in_queue, s.running, s.pending_retry, s.paused, s.waiting, s.last_error
  from s3_connector.connector_status s
  join s3_connector.connectors c on c.name = s.name
  left join lateral (
    select p.error from s3_connector.polls p where p.connector_name = s.name order by p.started_at desc limit 1
  ) poll on true
  cross join lateral (
    select s.in_queue = 0 or c.change_column is not null and (
      select min(f.key) from s3_connector.files f where f.connector_name = c.name and f.status = 'failure'
    ) < (
      select min(f.key) from s3_connector.files f where f.connector_name = c.name and f.status = 'in_queue'
    ) as in_queue
  ) blocked
  where s.name = $1`;

/** What the auditor compares. */
export const OBSERVED = `
  select json_build_object(
    'state', c.state,
    'marker', (select p.marker from s3_connector_private.progress p where p.connector_name = c.name),
    'has_table', to_regclass(c.target_table) is not null,
    'files', coalesce((select json_agg(f order by f.key) from s3_connector.files f where f.connector_name = c.name), '[]'),
    'notes', coalesce((
      select json_agg(json_build_object('key', l.key, 'reason', l.reason, 'etag', l.etag) order by l.key)
      from s3_connector.late_files l where l.connector_name = c.name), '[]'),
    'history', coalesce((
      select json_agg(json_build_object('key', f.key, 'from_status', h.from_status, 'to_status', h.to_status) order by h.id)
      from s3_connector_private.file_history h join s3_connector.files f on f.id = h.file_id
      where f.connector_name = c.name), '[]'),
    'rejected', coalesce((
      select json_agg(json_build_object('key', r.key, 'line', r.line) order by r.key, r.line)
      from s3_connector.rejected_rows r where r.connector_name = c.name), '[]')
  ) as seen
  from s3_connector.connectors c where c.name = $1`;
