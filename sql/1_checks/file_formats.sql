-- "File formats": the checks of file_formats, who may change its rows, and the format of one connector. As with connectors, the guard
-- runs as the role that changes a row, and the validation with the installation's rights.

create or replace function s3_connector_private.validate_csv_options(f s3_connector.file_formats, of_table regclass)
returns void language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  null_text text;
begin
  -- COPY's own rules: https://www.postgresql.org/docs/current/sql-copy.html
  if octet_length(f.csv_delimiter) not between 1 and 20 or f.csv_delimiter ~ e'[\n\r]' then
    perform s3_connector_private.refuse_column(of_table, 'csv_delimiter', 'have 1 to 20 bytes, and no line break', f.csv_delimiter,
      'For a tab, write e''\t''.');
  end if;
  if f.layout = 'text' and f.csv_delimiter ~ '^[a-z0-9.\\]' then
    perform s3_connector_private.refuse_column(of_table, 'csv_delimiter', 'not begin with a small letter, a digit, a dot or a backslash if layout is text',
      f.csv_delimiter, 'These follow a backslash in COPY''s text format.');
  end if;
  if octet_length(f.csv_quote) > 1 or f.csv_quote in (e'\n', e'\r') or f.csv_quote <> '' and position(f.csv_quote in f.csv_delimiter) > 0 then
    perform s3_connector_private.refuse_column(of_table, 'csv_quote',
      'be one single-byte character that is not in csv_delimiter, and no line break, or empty', f.csv_quote,
      'An empty text: the file has no quotes.');
  end if;
  if octet_length(f.csv_escape) <> 1 or f.csv_escape in (e'\n', e'\r') then
    perform s3_connector_private.refuse_column(of_table, 'csv_escape', 'be one single-byte character, and no line break', f.csv_escape,
      'Give the character that comes before a quote within quotes: " if quotes are doubled, \ if a backslash escapes them.');
  end if;
  foreach null_text in array f.null_values loop
    if null_text ~ e'[\n\r]' or position(f.csv_delimiter in null_text) > 0
      or f.csv_quote <> '' and position(f.csv_quote in null_text) > 0 then
      perform s3_connector_private.refuse_column(of_table,
        case of_table when 's3_connector.file_formats'::regclass then 'null_values' else 'csv_null' end,
        'not contain a line break, csv_delimiter or csv_quote', null_text,
        'Examples: \N, NULL. With an empty text, an unquoted empty field is null.');
    end if;
  end loop;
  if not s3_connector_private.is_encoding(f.csv_encoding) then
    perform s3_connector_private.refuse_column(of_table, 'csv_encoding',
      format('be an encoding that PostgreSQL can convert to %s', getdatabaseencoding()), f.csv_encoding,
      'Examples: utf-8, utf-16, latin1, win1252, sjis. PostgreSQL''s manual lists all under "Character Set Support".');
  end if;
end;
$$;
comment on function s3_connector_private.validate_csv_options(s3_connector.file_formats, regclass) is
  'Refuses CSV options that cannot work, of a file format or of a connector that overrides some of them. The error names the column of the given table.';

create or replace function s3_connector_private.require_file_format(named text)
returns s3_connector.file_formats language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  found_format s3_connector.file_formats;
begin
  select * into found_format from s3_connector.file_formats f where f.name = named;
  if not found then
    perform s3_connector_private.refuse_setting('file_format', 'be the name of a file format', named, (
      select format('Similar names: %s. All are in s3_connector.file_formats.',
        string_agg(quote_literal(n.name), ', ' order by n.alike desc, n.name))
      from (
        select f.name, s3_connector_private.name_similarity(f.name, named) as alike
        from s3_connector.file_formats f order by alike desc, f.name limit 3
      ) n
    ));
  end if;
  return found_format;
end;
$$;
comment on function s3_connector_private.require_file_format(text) is
  'Returns the file format of that name. Refuses an unknown one with the most similar names.';

create or replace function s3_connector_private.format_of(c s3_connector.connectors)
returns s3_connector.file_formats language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  f s3_connector.file_formats := s3_connector_private.require_file_format(c.file_format);
begin
  f.csv_delimiter := coalesce(c.csv_delimiter, f.csv_delimiter);
  f.csv_quote := coalesce(c.csv_quote, f.csv_quote);
  f.csv_escape := coalesce(c.csv_escape, f.csv_escape);
  f.csv_encoding := coalesce(c.csv_encoding, f.csv_encoding);
  f.csv_skip_header := coalesce(c.csv_skip_header, f.csv_skip_header);
  f.null_values := case when c.csv_null is null then f.null_values else array[c.csv_null] end;
  return f;
end;
$$;
comment on function s3_connector_private.format_of(s3_connector.connectors) is
  'Returns how a connector''s files are written: its file format, with the csv_* columns of the connector in place of the format''s own.';

create or replace function s3_connector_private.reading_format(c s3_connector.connectors)
returns jsonb language sql stable set search_path = pg_catalog, pg_temp as $$
  select to_jsonb(s3_connector_private.format_of(c)) || (
    select jsonb_build_object(
      'date_formats', coalesce(jsonb_object_agg(m.source_column, m.date_format) filter (where m.date_format is not null), '{}'),
      'reads_row', coalesce(bool_or(m.expression ~* '\mrow\M'), false),
      'json_paths', coalesce(jsonb_agg(m.source_column order by m.source_column) filter (where m.source_column ~ '^\$([.[]|$)'), '[]')
    )
    from s3_connector.column_mappings m where m.connector_name = c.name
  );
$$;
comment on function s3_connector_private.reading_format(s3_connector.connectors) is
  'Returns how a connector''s files are read: format_of, with the date_format of its column mappings by source column, the paths among their source columns, and whether one of their expressions reads row.';

create or replace function s3_connector_private.date_formats()
returns text[] language sql immutable parallel safe set search_path = pg_catalog, pg_temp as $$
  select '{server,ISO,DMY,MDY,YMD,epoch,epoch_ms,epoch_us,epoch_ns}'::text[];
$$;
comment on function s3_connector_private.date_formats() is 'Returns the words that date_format takes.';

create or replace function s3_connector_private.computes_columns(c s3_connector.connectors)
returns boolean language sql stable set search_path = pg_catalog, pg_temp as $$
  select not (s3_connector_private.format_of(c)).date_format = any (s3_connector_private.date_formats()) or exists (
    select from s3_connector.column_mappings m
    where m.connector_name = c.name
      and (m.expression is not null or not m.date_format = any (s3_connector_private.date_formats()))
  );
$$;
comment on function s3_connector_private.computes_columns(s3_connector.connectors) is
  'Returns whether PostgreSQL computes columns of a connector: it has expressions, or templates of times. Then rows go through a temporary table.';

create or replace function s3_connector_private.guard_file_format()
returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  -- The migrations, which bring the builtin formats, run as the owner of the table.
  is_installation boolean := current_user = (select pg_get_userbyid(c.relowner) from pg_class c where c.oid = tg_relid);
  is_own boolean := tg_op <> 'INSERT'
    and exists (select from pg_roles r where r.rolname = old.owner and pg_has_role(current_user, r.oid, 'member'));
begin
  if tg_op = 'INSERT' then
    new.owner := current_user;
  end if;
  if is_installation then
    return case tg_op when 'DELETE' then old else new end;
  end if;
  if tg_op <> 'INSERT' and old.builtin or tg_op <> 'DELETE' and new.builtin then
    raise exception 'cannot % file format %: builtin formats belong to the connector', lower(tg_op),
      quote_literal(case tg_op when 'INSERT' then new.name else old.name end)
      using errcode = 'insufficient_privilege',
        hint = 'Insert a format of your own, with builtin left out, and name it in file_format of the connector.';
  end if;
  if tg_op <> 'INSERT' and (not is_own or tg_op = 'UPDATE' and new.owner is distinct from old.owner) then
    raise exception 'cannot % file format %: it belongs to %', lower(tg_op), quote_literal(old.name), quote_ident(old.owner)
      using errcode = 'insufficient_privilege',
        hint = 'Insert a format of your own, and name it in file_format of the connector.';
  end if;
  return case tg_op when 'DELETE' then old else new end;
end;
$$;
comment on function s3_connector_private.guard_file_format() is
  'Lets only the owner of a file format change or delete it. Nobody changes a builtin one.';

create or replace trigger guard_file_format
  before insert or update or delete on s3_connector.file_formats
  for each row execute function s3_connector_private.guard_file_format();

create or replace function s3_connector_private.validate_records(f s3_connector.file_formats, of_table regclass)
returns void language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  perform s3_connector_private.refuse_unless_one_of(of_table, 'layout', f.layout, '{csv,text}');
  perform s3_connector_private.refuse_unless_one_of(of_table, 'on_short_row', f.on_short_row, '{fail,fill}');
  perform s3_connector_private.refuse_unless_one_of(of_table, 'on_long_row', f.on_long_row, '{fail,cut}');
  perform s3_connector_private.refuse_unless_one_of(of_table, 'column_names', f.column_names, '{as_is,snake}');
  perform s3_connector_private.refuse_unless_one_of(of_table, 'invalid_text', f.invalid_text, '{fail,replace}');
  perform s3_connector_private.refuse_unless_one_of(of_table, 'infer_types', f.infer_types, '{sample,text}');
  perform s3_connector_private.refuse_out_of_range(of_table, 'skip_lines', f.skip_lines, 0, 1000000);
  perform s3_connector_private.refuse_out_of_range(of_table, 'skip_footer', f.skip_footer, 0, 1000);
  if s3_connector_private.glob_fault(f.zip_entries) is not null then
    perform s3_connector_private.refuse_column(of_table, 'zip_entries', s3_connector_private.glob_fault(f.zip_entries), f.zip_entries,
      'Examples: *.csv, data/**. Null: all entries.');
  end if;
  if octet_length(f.comment_prefix) not between 1 and 20 or f.comment_prefix ~ e'[\n\r]' then
    perform s3_connector_private.refuse_column(of_table, 'comment_prefix', 'have 1 to 20 bytes, and no line break', f.comment_prefix,
      'Example: #. Null: no line is a comment.');
  end if;
end;
$$;
comment on function s3_connector_private.validate_records(s3_connector.file_formats, regclass) is
  'Refuses options for the records of a file that cannot work.';

create or replace function s3_connector_private.validate_values(f s3_connector.file_formats, of_table regclass)
returns void language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  if f.decimal_separator !~ '^[.,]$' then
    perform s3_connector_private.refuse_column(of_table, 'decimal_separator', 'be a dot or a comma', f.decimal_separator);
  end if;
  if length(f.thousands_separator) <> 1 or f.thousands_separator ~ '[0-9+\-eE\n\r]' or f.thousands_separator = f.decimal_separator then
    perform s3_connector_private.refuse_column(of_table, 'thousands_separator', 'be one character other than decimal_separator', f.thousands_separator,
      'Examples: a dot, a comma, a space, an apostrophe. Null: none.');
  end if;
  perform s3_connector_private.refuse_date_format(of_table, f.date_format);
end;
$$;
comment on function s3_connector_private.validate_values(s3_connector.file_formats, regclass) is
  'Refuses options for the values of a file that cannot work.';

create or replace function s3_connector_private.time_patterns()
returns text language sql immutable parallel safe set search_path = pg_catalog, pg_temp as $$
  -- https://www.postgresql.org/docs/current/functions-formatting.html. T and Z are text that templates have without quotes.
  select 'HH24|HH12|HH|MI|SSSSS|SSSS|SS|MS|US|FF[1-6]|A\.M\.|P\.M\.|AM|PM|Y,YYY|IYYY|IYY|IY|YYYY|YYY|YY|Y|IDDD|ID|IW|I|B\.C\.|A\.D\.|BC|AD'
    || '|MONTH|MON|MM|DAY|DY|DDD|DD|D|WW|W|CC|J|Q|RM|TZH|TZM|TZ|OF|FM|FX|TH|TM|SP|T|Z';
$$;
comment on function s3_connector_private.time_patterns() is 'Returns a regular expression of the patterns in templates of to_timestamp.';

create or replace function s3_connector_private.refuse_date_format(of_table regclass, got text)
returns void language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  words text[] := s3_connector_private.date_formats();
  unquoted text := regexp_replace(got, '"[^"]*"', '', 'g');
  nearest text;
  fault text;
begin
  if got is null or got = any (words) then
    return;
  end if;
  -- Most words contain the letters of some pattern. Quoted parts are text.
  if not lower(got) = any (lower(words::text)::text[]) and length(got) <= 100 and unquoted ~* 'YY|MM|MON|DD|DAY|HH|MI|SS|MS|US|FF[1-6]|IW|ID|WW|RM'
    and regexp_replace(unquoted, s3_connector_private.time_patterns(), '', 'gi') !~ '[[:alpha:]%]' then
    begin
      perform to_timestamp(to_char(timestamptz '2026-11-29 13:14:15Z', got), got);
      return;
    exception when others then
      fault := sqlerrm || '.';
    end;
  end if;
  select w into nearest from unnest(words) w
  where lower(w) = lower(got) or array(select unnest(string_to_array(lower(w), null)) order by 1) = array(select unnest(string_to_array(lower(got), null)) order by 1)
    or s3_connector_private.name_similarity(w, got) > 0.3
  order by s3_connector_private.name_similarity(w, got) desc limit 1;
  perform s3_connector_private.refuse_column(of_table, 'date_format',
    format('be %s, or a template of to_timestamp', array_to_string(words, ', ')), got,
    coalesce(fault, 'Did you mean ' || nearest || '?', 'Example of a template: DD.MM.YYYY HH24:MI. PostgreSQL''s manual lists the patterns under "Data Type Formatting Functions".'));
end;
$$;
comment on function s3_connector_private.refuse_date_format(regclass, text) is
  'Refuses a date_format that is neither one of the words, nor a template with patterns that to_timestamp takes.';

create or replace function s3_connector_private.validate_file_format()
returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform s3_connector_private.refuse_nulls(tg_relid, to_jsonb(new));
  perform s3_connector_private.refuse_name(tg_relid, new.name);
  if new.kind not in ('csv', 'json', 'parquet') then
    perform s3_connector_private.refuse_column(tg_relid, 'kind', 'be csv, json or parquet', new.kind);
  end if;
  if cardinality(new.null_values) > 100 or array_ndims(new.null_values) > 1 or array_position(new.null_values, null) is not null then
    perform s3_connector_private.refuse_column(tg_relid, 'null_values', 'be a list of at most 100 texts', new.null_values::text,
      'Example: array['''', ''NULL'', ''\N'']. An empty list: no text means null.');
  end if;
  perform s3_connector_private.validate_csv_options(new, tg_relid);
  perform s3_connector_private.validate_records(new, tg_relid);
  perform s3_connector_private.validate_values(new, tg_relid);
  perform s3_connector_private.validate_json_options(new, tg_relid);
  return new;
end;
$$;
comment on function s3_connector_private.validate_file_format() is 'Checks every column of a file format.';

create or replace trigger validate_file_format
  before insert or update on s3_connector.file_formats
  for each row execute function s3_connector_private.validate_file_format();

create or replace function s3_connector_private.guard_format_in_use()
returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  using_connector record;
begin
  select c.name, c.owner, c.state, c.owner = old.owner as is_own into using_connector
  from s3_connector.connectors c where c.file_format = old.name
  order by c.owner = old.owner, c.state = 'running' desc, c.name limit 1
  for share;
  if not found then
    return case tg_op when 'DELETE' then old else new end;
  end if;
  if tg_op = 'DELETE' or new.name <> old.name then
    raise exception 'cannot % file format %: connector % uses it', case tg_op when 'DELETE' then 'delete' else 'rename' end, quote_literal(old.name), quote_literal(using_connector.name)
      using errcode = 'object_in_use', hint = 'Pause the connector, and name another format in its file_format first.';
  end if;
  -- Builtin ones, which an upgrade may change.
  if old.builtin then
    return new;
  end if;
  if not using_connector.is_own then
    raise exception 'cannot update file format %: connector % of % uses it', quote_literal(old.name),
      quote_literal(using_connector.name), quote_ident(using_connector.owner)
      using errcode = 'insufficient_privilege', hint = 'Insert another format for your own connectors.';
  end if;
  if using_connector.state = 'running' then
    raise exception 'cannot update file format %: connector % uses it, and is running: pause it first', quote_literal(old.name),
      quote_literal(using_connector.name)
      using errcode = 'object_in_use', hint = format('Pause it: select s3_connector.pause(%L);', using_connector.name);
  end if;
  return new;
end;
$$;
comment on function s3_connector_private.guard_format_in_use() is
  'Refuses to delete or rename a file format that a connector uses, and to change one that a running connector or one of another owner uses.';

create or replace trigger guard_format_in_use
  before update or delete on s3_connector.file_formats
  for each row execute function s3_connector_private.guard_format_in_use();
