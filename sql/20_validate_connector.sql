-- What a connector may say, checked when it is inserted or changed, with a message a person can act on.

create or replace function s3_connector_private.is_cron_field(field text, lowest integer, highest integer)
returns boolean language plpgsql immutable as $$
declare
  item text;
  part text[];
begin
  foreach item in array string_to_array(field, ',') loop
    part := regexp_match(item, '^(?:\*|(\d{1,2})(?:-(\d{1,2}))?)(?:/(\d{1,2}))?$');
    if part is null
      or part[1]::integer not between lowest and highest
      or part[2]::integer not between part[1]::integer and highest
      or part[3]::integer = 0 then
      return false;
    end if;
  end loop;
  return field <> '';
end;
$$;
comment on function s3_connector_private.is_cron_field(text, integer, integer) is
  'Whether a text is one field of a cron expression: *, numbers, ranges, lists and steps within the bounds.';

create or replace function s3_connector_private.is_schedule(schedule text)
returns boolean language plpgsql immutable as $$
declare
  field text[] := regexp_split_to_array(btrim(schedule), '\s+');
begin
  return schedule in ('minute', 'hour')
    or (cardinality(field) = 5
      and s3_connector_private.is_cron_field(field[1], 0, 59)
      and s3_connector_private.is_cron_field(field[2], 0, 23)
      and s3_connector_private.is_cron_field(field[3], 1, 31)
      and s3_connector_private.is_cron_field(field[4], 1, 12)
      and s3_connector_private.is_cron_field(field[5], 0, 7));
end;
$$;
comment on function s3_connector_private.is_schedule(text) is
  'Whether a text is a schedule: minute, hour, or five cron fields.';

create or replace function s3_connector_private.is_time_zone(time_zone text)
returns boolean language plpgsql stable as $$
begin
  -- Asking for a time there is 100 times faster than reading pg_timezone_names.
  perform now() at time zone time_zone;
  return true;
exception when invalid_parameter_value then
  return false;
end;
$$;
comment on function s3_connector_private.is_time_zone(text) is 'Whether a text names a time zone.';

create or replace function s3_connector_private.table_parts(target_table text)
returns text[] language plpgsql immutable as $$
declare
  part text[];
begin
  begin
    part := parse_ident(target_table);
  exception when invalid_parameter_value then
    part := null;
  end;
  if part is null or cardinality(part) > 2 then
    perform s3_connector_private.refuse('target_table must be a table name: table, or schema.table', target_table,
      'Quote a name with capitals or odd characters as SQL does: public."My Table".');
  end if;
  return case cardinality(part) when 1 then array['public', part[1]] else part end;
end;
$$;
comment on function s3_connector_private.table_parts(text) is
  'Schema and table of a target_table, unquoted; without a schema it is public.';

create or replace function s3_connector_private.validate_bucket(c s3_connector.connectors)
returns void language plpgsql as $$
begin
  if c.bucket like '%--x-s3' then
    perform s3_connector_private.refuse('bucket must be a general purpose bucket', c.bucket,
      'Directory buckets (S3 Express One Zone) do not list in key order, which the marker rests on.');
  end if;
  if c.bucket !~ '^[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]$' then
    perform s3_connector_private.refuse('bucket must be a bucket''s name: 3 to 63 of a-z, 0-9, dot and hyphen', c.bucket,
      'Give the name alone, without s3:// and without a path; the path belongs in pattern.');
  end if;
  if c.pattern = '' or c.pattern like '/%' or c.pattern like 's3://%' then
    perform s3_connector_private.refuse('pattern must be a glob over keys, such as data/**/*.csv', c.pattern,
      'Keys have no leading slash, and the bucket is named in its own column.');
  end if;
  if length(regexp_replace(c.pattern, '[^{]', '', 'g')) <> length(regexp_replace(c.pattern, '[^}]', '', 'g'))
    or c.pattern ~ '\[[^\]]*$' then
    perform s3_connector_private.refuse('pattern must close every { and [', c.pattern);
  end if;
  if c.endpoint is not null and c.endpoint !~ '^https?://[^/@\s?#]+/?$' then
    perform s3_connector_private.refuse('endpoint must be a URL without path or user, such as https://s3.example.com', c.endpoint);
  end if;
  if c.auth_method = 'iam_role' and c.role_arn is null then
    perform s3_connector_private.refuse('auth_method iam_role needs a role_arn', null,
      'Such as arn:aws:iam::123456789012:role/reader.');
  end if;
  if c.role_arn !~ '^arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]+$' then
    perform s3_connector_private.refuse('role_arn must be the ARN of a role, such as arn:aws:iam::123456789012:role/reader', c.role_arn);
  end if;
  if not s3_connector_private.is_schedule(c.schedule) then
    perform s3_connector_private.refuse('schedule must be minute, hour, or five cron fields in UTC', c.schedule,
      'Such as */5 * * * * for every five minutes, or 0 6 * * 1 for Mondays at six.');
  end if;
end;
$$;
comment on function s3_connector_private.validate_bucket(s3_connector.connectors) is
  'Refuses a connector whose bucket, pattern, endpoint, role or schedule cannot work.';

create or replace function s3_connector_private.validate_format(c s3_connector.connectors)
returns void language plpgsql as $$
begin
  -- COPY's own rules: https://www.postgresql.org/docs/current/sql-copy.html
  if octet_length(c.csv_delimiter) <> 1 or c.csv_delimiter in (e'\n', e'\r') then
    perform s3_connector_private.refuse('csv_delimiter must be one single-byte character, and no line break', c.csv_delimiter,
      'For a tab write e''\t''.');
  end if;
  if octet_length(c.csv_quote) <> 1 or c.csv_quote = c.csv_delimiter then
    perform s3_connector_private.refuse('csv_quote must be one single-byte character other than csv_delimiter', c.csv_quote);
  end if;
  if octet_length(c.csv_escape) <> 1 then
    perform s3_connector_private.refuse('csv_escape must be one single-byte character', c.csv_escape);
  end if;
  if c.csv_null ~ e'[\n\r]' or position(c.csv_delimiter in c.csv_null) > 0 or position(c.csv_quote in c.csv_null) > 0 then
    perform s3_connector_private.refuse('csv_null must not hold a line break, csv_delimiter or csv_quote', c.csv_null);
  end if;
  if not s3_connector_private.is_time_zone(c.time_zone) then
    perform s3_connector_private.refuse('time_zone must be a time zone''s name, such as UTC or Europe/Berlin', c.time_zone,
      'select name from pg_timezone_names shows them all.');
  end if;
  if c.max_file_bytes <= 0 then
    perform s3_connector_private.refuse('max_file_bytes must be above zero', c.max_file_bytes::text);
  end if;
  if c.max_row_bytes not between 1 and 1073741823 then
    perform s3_connector_private.refuse('max_row_bytes must be between 1 and 1073741823, the most a PostgreSQL value holds', c.max_row_bytes::text);
  end if;
  if c.max_tracked_files not between 1 and 100000 then
    perform s3_connector_private.refuse('max_tracked_files must be between 1 and 100000', c.max_tracked_files::text);
  end if;
  if c.max_parallel_files not between 1 and 1000 then
    perform s3_connector_private.refuse('max_parallel_files must be between 1 and 1000, or null for as many as the workers run', c.max_parallel_files::text);
  end if;
  if c.max_attempts not between 1 and 100 then
    perform s3_connector_private.refuse('max_attempts must be between 1 and 100', c.max_attempts::text);
  end if;
  if c.max_bad_rows < 0 then
    perform s3_connector_private.refuse('max_bad_rows must not be negative', c.max_bad_rows::text);
  end if;
  if c.chunk_interval <= interval '0' then
    perform s3_connector_private.refuse('chunk_interval must be above zero', c.chunk_interval::text);
  end if;
  if c.min_object_age < interval '0' then
    perform s3_connector_private.refuse('min_object_age must not be negative', c.min_object_age::text);
  end if;
end;
$$;
comment on function s3_connector_private.validate_format(s3_connector.connectors) is
  'Refuses a connector whose CSV options, time zone or limits cannot work.';

create or replace function s3_connector_private.refuse_unbuilt(c s3_connector.connectors)
returns void language plpgsql as $$
declare
  unbuilt text := case
    when c.auth_method = 'iam_role' then 'auth_method = iam_role'
  end;
begin
  if unbuilt is not null then
    raise exception '% is not available in this version', unbuilt
      using errcode = 'feature_not_supported', hint = 'CHANGELOG.md says what each version brings.';
  end if;
end;
$$;
comment on function s3_connector_private.refuse_unbuilt(s3_connector.connectors) is
  'Refuses what the columns can say but this version does not do, rather than silently doing something else.';

create or replace function s3_connector_private.validate_connector()
returns trigger language plpgsql as $$
begin
  if btrim(new.name) = '' or octet_length(new.name) > 200 then
    perform s3_connector_private.refuse('name must be 1 to 200 bytes long', new.name);
  end if;
  perform s3_connector_private.validate_bucket(new);
  perform s3_connector_private.table_parts(new.target_table);
  perform s3_connector_private.validate_format(new);
  perform s3_connector_private.refuse_unbuilt(new);
  -- Imports run with the owner's rights, so nobody may name another role.
  new.owner := case tg_op when 'INSERT' then current_user else old.owner end;
  return new;
end;
$$;
comment on function s3_connector_private.validate_connector() is
  'Checks every column of a connector and sets its owner to the inserting role.';

create or replace trigger validate_connector
  before insert or update on s3_connector.connectors
  for each row execute function s3_connector_private.validate_connector();
