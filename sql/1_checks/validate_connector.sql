-- Checks of a connector when it is inserted or changed. Each error says how to fix the value.

create or replace function s3_connector_private.validate_lengths(c s3_connector.connectors)
returns void language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  long record;
begin
  -- Checked first: other checks may take long for long texts, and every worker reads the row.
  select t.key, t.value into long from jsonb_each_text(to_jsonb(c)) t where octet_length(t.value) > 100000 limit 1;
  if found then
    perform s3_connector_private.refuse_setting(long.key, 'have at most 100000 bytes', left(long.value, 100) || ' ...');
  end if;
end;
$$;
comment on function s3_connector_private.validate_lengths(s3_connector.connectors) is
  'Refuses a connector with a text that is too long.';

create or replace function s3_connector_private.validate_name(c s3_connector.connectors, context text)
returns void language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  perform s3_connector_private.refuse_name('s3_connector.connectors', c.name);
  if exists (select from s3_connector.connectors other where other.name = c.name)
    and not s3_connector_private.has_on_conflict_clause(context) then
    raise exception 'there is a connector named % already', quote_literal(c.name)
      using errcode = 'unique_violation', schema = 's3_connector', table = 'connectors', column = 'name',
        hint = format('Choose another name. To change the existing connector, first run: select s3_connector.pause(%L);', c.name);
  end if;
end;
$$;
comment on function s3_connector_private.validate_name(s3_connector.connectors, text) is
  'Refuses a new name that is not valid, or that another connector has.';

create or replace function s3_connector_private.validate_words(c s3_connector.connectors)
returns void language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  perform s3_connector_private.refuse_unless_one_of('auth_method', c.auth_method, '{worker,anonymous,iam_role}');
  perform s3_connector_private.refuse_unless_one_of('match_columns_by', c.match_columns_by, '{name,position}');
  perform s3_connector_private.refuse_unless_one_of('on_unknown_column', c.on_unknown_column, '{fail,ignore,add,rescue}');
  perform s3_connector_private.refuse_unless_one_of('on_type_mismatch', c.on_type_mismatch, '{fail,widen,rescue}');
  perform s3_connector_private.refuse_unless_one_of('on_missing_column', c.on_missing_column, '{default,fail}');
  perform s3_connector_private.refuse_unless_one_of('on_conflict', c.on_conflict, '{fail,skip,update}');
  perform s3_connector_private.refuse_unless_one_of('on_bad_row', c.on_bad_row, '{fail,skip}');
  perform s3_connector_private.refuse_unless_one_of('late_keys', c.late_keys, '{report,import}');
  perform s3_connector_private.refuse_unless_one_of('on_overwrite', c.on_overwrite, '{ignore,report,reimport}');
  perform s3_connector_private.refuse_unless_one_of('state', c.state, '{running,paused,draft}');
end;
$$;
comment on function s3_connector_private.validate_words(s3_connector.connectors) is
  'Refuses a connector with an unknown word in a column that takes one of a few words.';

create or replace function s3_connector_private.validate_bucket(c s3_connector.connectors)
returns void language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  if c.bucket like '%--x-s3' then
    perform s3_connector_private.refuse_setting('bucket', 'be a general purpose bucket', c.bucket,
      'Use a general purpose bucket. Directory buckets (S3 Express One Zone) do not list in key order, which the marker needs.');
  end if;
  if c.bucket like '%.mrap' then
    perform s3_connector_private.refuse_setting('bucket', 'be a bucket, or an access point of one region', c.bucket,
      'Name one of the buckets behind the multi-region access point. Its requests need signatures for several regions (SigV4a), which the worker does not make.');
  end if;
  if c.bucket like '%--ol-s3' or (c.bucket like 'arn:%' and c.bucket !~ '^arn:aws[a-z-]*:s3:[a-z0-9-]+:\d{12}:accesspoint[:/][a-z0-9][a-z0-9-]{1,48}[a-z0-9]$') then
    perform s3_connector_private.refuse_setting('bucket', 'be a bucket''s name, or the ARN or alias of an access point of S3', c.bucket,
      'Example: arn:aws:s3:eu-west-1:123456789012:accesspoint/my-access-point. Access points of S3 on Outposts and of Object Lambda do not list as buckets do.');
  end if;
  if c.bucket like 'arn:%' and c.path_style then
    perform s3_connector_private.refuse_setting('path_style', 'be null or false with an access point', c.path_style::text,
      'An access point has a host of its own, so no request can name it in the path.');
  end if;
  -- Other servers than AWS allow other names: upper case, underscores, tenants (tenant:bucket).
  if c.bucket not like 'arn:%' and c.endpoint is not null
    and (octet_length(c.bucket) not between 1 and 255 or c.bucket ~ '[/\\[:cntrl:]]' or c.bucket in ('.', '..')) then
    perform s3_connector_private.refuse_setting('bucket', 'be a bucket''s name of at most 255 bytes, without a slash', c.bucket,
      'Give only the name, without s3:// and without a path. The path belongs in pattern.');
  end if;
  if c.bucket not like 'arn:%' and c.endpoint is null and (c.bucket !~ '^[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]$' or c.bucket like '%..%') then
    perform s3_connector_private.refuse_setting('bucket', 'be a bucket''s name: 3 to 63 of a-z, 0-9, dot and hyphen', c.bucket,
      'Give only the name, without s3:// and without a path. The path belongs in pattern. For a server other than AWS with other names, set endpoint.');
  end if;
end;
$$;
comment on function s3_connector_private.validate_bucket(s3_connector.connectors) is
  'Refuses a connector whose bucket cannot be one, or cannot be listed in key order.';

create or replace function s3_connector_private.validate_source(c s3_connector.connectors)
returns void language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  if c.start_after = '' or octet_length(c.start_after) > 1024 or c.start_after like 's3://%' then
    perform s3_connector_private.refuse_setting('start_after', 'be a key, of at most 1024 bytes', c.start_after,
      'Example: data/2026/01.csv, without the bucket. Null starts with the first key.');
  end if;
  if not s3_connector_private.is_schedule(c.schedule) or not s3_connector_private.is_ever_due(c.schedule) then
    perform s3_connector_private.refuse_setting('schedule',
      format('be %s, or five cron fields in UTC that match some date', array_to_string(s3_connector_private.schedule_names(), ', ')), c.schedule,
      'Examples: */5 * * * * (every five minutes), 0 6 * * 1 (Mondays at 06:00).');
  end if;
  if c.audit_schedule is not null
    and (not s3_connector_private.is_schedule(c.audit_schedule) or not s3_connector_private.is_ever_due(c.audit_schedule)) then
    perform s3_connector_private.refuse_setting('audit_schedule',
      format('be null, or %s, or five cron fields in UTC that match some date', array_to_string(s3_connector_private.schedule_names(), ', ')), c.audit_schedule,
      'Examples: @daily, 0 3 * * * (every day at 03:00). Null: no scheduled audits.');
  end if;
  if c.on_overwrite = 'reimport' and c.file_id_column is null then
    perform s3_connector_private.refuse_setting('on_overwrite', 'be ignore or report without file_id_column', c.on_overwrite,
      'Set file_id_column: without it, nobody knows which rows came from the overwritten object.');
  end if;
end;
$$;
comment on function s3_connector_private.validate_source(s3_connector.connectors) is
  'Refuses a connector whose pattern, first key or schedule cannot work.';

create or replace function s3_connector_private.validate_access(c s3_connector.connectors)
returns void language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  port text := (regexp_match(c.endpoint, '^[^/]*//[^/]*:(\d+)(/|$)'))[1];
begin
  if c.endpoint !~* '^https?://([a-z0-9]([a-z0-9._-]*[a-z0-9])?|\[[0-9a-f:.]+\])(:\d{1,5})?(/[a-z0-9._~-]+)*/?$' or port::integer not between 1 and 65535
    or c.endpoint ~ '/\.{1,2}(/|$)' then
    perform s3_connector_private.refuse_setting('endpoint',
      'be a URL of host, port and path only, such as https://s3.example.com or http://10.0.0.1:9000', c.endpoint,
      'The worker''s S3_ALLOWED_ENDPOINTS must also contain it. Null: AWS.');
  end if;
  -- Other servers than AWS choose their own names for regions.
  if c.region !~ (case when c.endpoint is null then '^[a-z]{2,4}(-[a-z]+)+-\d{1,2}$' else '^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$' end) then
    perform s3_connector_private.refuse_setting('region', 'be a region, such as us-east-1 or eu-central-1', c.region,
      'Null: the worker asks S3 for the bucket''s region.');
  end if;
  if c.event_queue_url !~* '^https?://([a-z0-9]([a-z0-9._-]*[a-z0-9])?|\[[0-9a-f:.]+\])(:\d{1,5})?/[a-z0-9/_.-]+$' then
    perform s3_connector_private.refuse_setting('event_queue_url', 'be the URL of an SQS queue', c.event_queue_url,
      'Example: https://sqs.eu-central-1.amazonaws.com/123456789012/new-files. The worker''s S3_ALLOWED_ENDPOINTS must contain the URL''s host and port if it is not AWS.');
  end if;
  if c.auth_method = 'iam_role' and c.role_arn is null then
    perform s3_connector_private.refuse_setting('role_arn', 'be given with auth_method iam_role', null,
      'Example: arn:aws:iam::123456789012:role/reader.');
  end if;
  if c.role_arn !~ '^arn:aws[a-z-]*:iam::\d{12}:role/[A-Za-z0-9_+=,.@/-]+$' or length(c.role_arn) > 2048 then
    perform s3_connector_private.refuse_setting('role_arn', 'be the ARN of a role', c.role_arn,
      'Example: arn:aws:iam::123456789012:role/reader.');
  end if;
  if c.role_arn is not null and c.auth_method <> 'iam_role' then
    perform s3_connector_private.refuse_setting('role_arn', format('be null with auth_method %s', c.auth_method), c.role_arn,
      'Set auth_method to iam_role to assume a role, or leave role_arn null.');
  end if;
end;
$$;
comment on function s3_connector_private.validate_access(s3_connector.connectors) is
  'Refuses a connector whose endpoint, region, queue or role cannot work.';

create or replace function s3_connector_private.validate_format(c s3_connector.connectors)
returns void language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
begin
  perform s3_connector_private.validate_csv_options(s3_connector_private.format_of(c), 's3_connector.connectors');
  perform s3_connector_private.validate_json_options(s3_connector_private.format_of(c), 's3_connector.connectors');
  if c.match_columns_by = 'position' and (s3_connector_private.require_file_format(c.file_format)).kind = 'json' then
    perform s3_connector_private.refuse_setting('match_columns_by', format('be name with file_format %s', c.file_format), c.match_columns_by,
      'The keys of a JSON object have no order.');
  end if;
  perform s3_connector_private.refuse_idle_date_format(m, c) from s3_connector.column_mappings m where m.connector_name = c.name;
  if not s3_connector_private.is_time_zone(c.time_zone) then
    perform s3_connector_private.refuse_setting('time_zone', 'be a time zone''s name, such as UTC or Europe/Berlin', c.time_zone,
      'List all time zones: select name from pg_timezone_names;');
  end if;
end;
$$;
comment on function s3_connector_private.validate_format(s3_connector.connectors) is
  'Refuses a connector whose CSV options or time zone cannot work.';

create or replace function s3_connector_private.validate_limits(c s3_connector.connectors)
returns void language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  perform s3_connector_private.refuse_out_of_range('max_file_bytes', c.max_file_bytes, 1, 1125899906842624);
  perform s3_connector_private.refuse_out_of_range('max_row_bytes', c.max_row_bytes, 1, 1073741823,
    'PostgreSQL stores at most 1 GiB in a value.');
  perform s3_connector_private.refuse_out_of_range('max_rows', c.max_rows, 1, 1000000000000000, 'Null: no limit.');
  perform s3_connector_private.refuse_out_of_range('max_tracked_files', c.max_tracked_files, 1, 100000);
  perform s3_connector_private.refuse_out_of_range('max_parallel_files', c.max_parallel_files, 1, 1000,
    format('Null: no limit but the workers'' own. To stop the connector: select s3_connector.pause(%L);', c.name));
  perform s3_connector_private.refuse_out_of_range('max_attempts', c.max_attempts, 1, 100);
  perform s3_connector_private.refuse_out_of_range('max_bad_rows', c.max_bad_rows, 0, 1000000000000, 'Null: no limit.');
  -- 10000 is the default, which a person may not have chosen.
  if c.max_bad_rows <> 10000 and c.on_bad_row <> 'skip' then
    perform s3_connector_private.refuse_setting('max_bad_rows', 'be null unless on_bad_row is skip', c.max_bad_rows::text,
      'Set on_bad_row to skip, or leave max_bad_rows out. With on_bad_row fail the first bad row fails the file.');
  end if;
  -- A longer age could lead before the earliest timestamp.
  if not c.min_object_age between interval '0' and interval '100 years' then
    perform s3_connector_private.refuse_setting('min_object_age', 'be between 0 and 100 years', c.min_object_age::text,
      'Example: 10 minutes, if files that are written at the same time may finish out of order within 10 minutes.');
  end if;
  -- Days and months count as in comparisons of intervals: 24 hours and 30 days.
  if not c.import_timeout between interval '1 second' and interval '7 days' then
    perform s3_connector_private.refuse_setting('import_timeout', 'be between 1 second and 7 days', c.import_timeout::text,
      'Example: 3 hours. It covers the fetch, the copy and on_import of one attempt at one file.');
  end if;
  if not (c.retention > interval '0' and c.retention <= interval '100 years') then
    perform s3_connector_private.refuse_setting('retention', 'be above 0 and at most 100 years', c.retention::text,
      'Example: 90 days. Null keeps history for ever. The rows in files always stay.');
  end if;
end;
$$;
comment on function s3_connector_private.validate_limits(s3_connector.connectors) is
  'Refuses a connector with a limit outside its bounds.';

create or replace function s3_connector_private.validate_connector()
returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  context text;
begin
  get diagnostics context = pg_context;
  perform s3_connector_private.refuse_nulls(tg_relid, to_jsonb(new));
  perform s3_connector_private.validate_words(new);
  -- Pausing must work even if a setting is no longer valid, for example after an upgrade.
  if tg_op = 'UPDATE' and to_jsonb(new) - 'state' = to_jsonb(old) - 'state' then
    return new;
  end if;
  perform s3_connector_private.validate_lengths(new);
  if tg_op = 'INSERT' or new.name <> old.name then
    perform s3_connector_private.validate_name(new, context);
  end if;
  perform s3_connector_private.validate_bucket(new);
  perform s3_connector_private.validate_source(new);
  perform s3_connector_private.validate_keys(new);
  perform s3_connector_private.validate_access(new);
  perform s3_connector_private.validate_format(new);
  perform s3_connector_private.validate_target(new);
  -- A person who changes another setting cannot help what the table has become. Its files fail, and check says why.
  if tg_op = 'INSERT' or (new.target_table, s3_connector_private.write_mode(new), new.allow_unlogged)
    <> (old.target_table, s3_connector_private.write_mode(old), old.allow_unlogged) then
    perform s3_connector_private.validate_target_kind(new);
  end if;
  perform s3_connector_private.validate_growth(new);
  if tg_op = 'INSERT' or (new.target_table, new.on_unknown_column, new.on_type_mismatch) <> (old.target_table, old.on_unknown_column, old.on_type_mismatch) then
    perform s3_connector_private.validate_growing_table(new);
  end if;
  perform s3_connector_private.validate_limits(new);
  perform s3_connector_private.validate_hive_columns(new);
  perform s3_connector_private.validate_transform(new);
  perform s3_connector_private.validate_lineage(new);
  perform s3_connector_private.validate_no_expressions(new);
  perform s3_connector_private.validate_changes(new);
  perform s3_connector_private.validate_on_import(new);
  return new;
end;
$$;
comment on function s3_connector_private.validate_connector() is
  'Checks every column of a connector. Runs with the installation''s rights: the inserting role needs none of its own.';

create or replace trigger validate_connector
  before insert or update on s3_connector.connectors
  for each row execute function s3_connector_private.validate_connector();
