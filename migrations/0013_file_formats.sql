-- "File formats": named ways of how files are written. Connectors name one in file_format; their csv_* columns change it for one connector.

create table s3_connector.file_formats (
  name text primary key,
  kind text not null,
  csv_delimiter text not null default ',',
  csv_quote text not null default '"',
  csv_escape text not null default '"',
  csv_encoding text not null default 'utf-8',
  csv_skip_header boolean not null default true,
  null_values text[] not null default '{""}',
  null_quoted boolean not null default false,
  layout text not null default 'csv',
  skip_lines integer not null default 0,
  skip_footer integer not null default 0,
  comment_prefix text,
  skip_blank_lines boolean not null default false,
  on_short_row text not null default 'fail',
  on_long_row text not null default 'fail',
  decimal_separator text not null default '.',
  thousands_separator text,
  date_format text not null default 'server',
  column_names text not null default 'as_is',
  invalid_text text not null default 'fail',
  builtin boolean not null default false,
  owner name not null default current_user
);

-- Connectors of earlier versions name these two. sql/ brings the others.
insert into s3_connector.file_formats (name, kind, builtin) values ('csv', 'csv', true), ('parquet', 'parquet', true);

alter table s3_connector.connectors
  alter column csv_delimiter drop not null, alter column csv_delimiter drop default,
  alter column csv_quote drop not null, alter column csv_quote drop default,
  alter column csv_escape drop not null, alter column csv_escape drop default,
  alter column csv_null drop not null, alter column csv_null drop default,
  alter column csv_encoding drop not null, alter column csv_encoding drop default,
  alter column csv_skip_header drop not null, alter column csv_skip_header drop default;

-- A value that is the format's own is no override. The triggers would refuse to change a running connector; afterwards each is as
-- it was: a person may have disabled some.
do $$
declare
  connectors constant regclass := 's3_connector.connectors';
  as_before text;
begin
  select string_agg(format('alter table %s %s trigger %I;', connectors,
    case t.tgenabled when 'D' then 'disable' when 'R' then 'enable replica' when 'A' then 'enable always' else 'enable' end, t.tgname), ' ')
    into as_before
  from pg_trigger t where t.tgrelid = connectors and not t.tgisinternal;
  alter table s3_connector.connectors disable trigger user;
  update s3_connector.connectors set
    csv_delimiter = nullif(csv_delimiter, ','), csv_quote = nullif(csv_quote, '"'), csv_escape = nullif(csv_escape, '"'),
    csv_null = nullif(csv_null, ''), csv_encoding = nullif(csv_encoding, 'utf-8'),
    csv_skip_header = nullif(csv_skip_header, true);
  -- Null in a database that has just been made.
  if as_before is not null then
    execute as_before;
  end if;
end
$$;

alter table s3_connector.connectors
  add constraint connectors_file_format_fkey foreign key (file_format) references s3_connector.file_formats (name);
alter table s3_connector.column_mappings add column date_format text;

create index connectors_file_format_idx on s3_connector.connectors (file_format);
