-- How each connector is: connector_status, with all figures, and status, which fits a terminal.

create or replace view s3_connector.connector_status as
  select
    s.*,
    case
      when s.state = 'running' then coalesce(nullif(troubles.words, ''), case
        when s.last_poll_at is null then 'not polled yet'
        when s.waiting + s.running > 0 then 'importing'
        when not s.caught_up then 'behind'
        else 'ok'
      end)
      else concat_ws(', ', s.state, nullif(troubles.words, ''))
    end as health
  from s3_connector_private.connector_figures s
  cross join lateral (
    select concat_ws(', ',
      case when s.state = 'running' and not (select exists (select from s3_connector.workers w where w.alive)) then 'no worker is alive' end,
      case when s.unavailable_since is not null then 'bucket unavailable' end,
      case when s.polls_overdue then 'polls overdue' end,
      case
        when s.failure > 0 and s.success = 0 then format('all files failed (%s)', s.failure)
        when s.failure > 0 then format('%s failed', s.failure)
      end,
      case when s.pending_retry > 0 then format('%s retrying', s.pending_retry) end,
      case when s.last_error is not null and s.unavailable_since is null and s.failure + s.pending_retry = 0 then 'the last poll failed' end,
      case when s.rejected > 0 then format('%s %s rejected', s.rejected, case s.rejected when 1 then 'row' else 'rows' end) end,
      case when s.late > 0 then format('%s late %s', s.late, case s.late when 1 then 'key' else 'keys' end) end
    ) as words
  ) troubles;
comment on view s3_connector.connector_status is
  'State of each connector: its marker, whether it has caught up, its files by status, and its last error. Rows and bytes are in total, of the last hour (to the minute) and of the last day (to ten minutes).';

create or replace view s3_connector.status as
  select s.name, s.health, s.waiting, s.failure as failed, s.lag, s.last_error from s3_connector.connector_status s;
comment on view s3_connector.status is
  'One short line for each connector: its health in words, what waits and failed, and how far the table is behind the bucket. connector_status has the details.';
