-- "Presets": the builtin file formats. Each says how one program writes its files. Defaults are COPY's own CSV.

insert into s3_connector.file_formats
  (name, kind, builtin, csv_delimiter, csv_quote, csv_skip_header, null_values, layout)
values
  ('csv', 'csv', true, ',', '"', true, '{""}', 'csv'),
  ('parquet', 'parquet', true, ',', '"', true, '{""}', 'csv'),
  ('tsv', 'csv', true, e'\t', '"', true, '{""}', 'csv'),
  -- The results of a query.
  ('athena', 'csv', true, ',', '"', true, '{""}', 'csv'),
  -- Text files of Hive and Spark, and of Athena's UNLOAD, without ESCAPED BY.
  ('hive', 'csv', true, e'\x01', '', false, '{"\\N"}', 'csv'),
  -- SELECT ... INTO OUTFILE, and mysqldump --tab.
  ('mysql', 'csv', true, e'\t', '"', false, '{"\\N"}', 'text'),
  -- COPY INTO a stage, with a file format of type CSV that has its defaults.
  ('snowflake', 'csv', true, ',', '"', false, '{"\\N"}', 'text')
on conflict (name) do update set
  kind = excluded.kind, csv_delimiter = excluded.csv_delimiter, csv_quote = excluded.csv_quote,
  csv_skip_header = excluded.csv_skip_header, null_values = excluded.null_values, layout = excluded.layout
where file_formats.builtin;

insert into s3_connector.file_formats
  (name, kind, builtin, csv_delimiter, csv_encoding, decimal_separator, thousands_separator, date_format)
values
  -- "CSV UTF-8", with the regional settings of the United States and of Germany. Older files need csv_encoding win1252.
  ('excel', 'csv', true, ',', 'utf-8', '.', ',', 'MDY'),
  ('excel_de', 'csv', true, ';', 'utf-8', ',', '.', 'DMY')
on conflict (name) do update set
  kind = excluded.kind, csv_delimiter = excluded.csv_delimiter, csv_encoding = excluded.csv_encoding,
  decimal_separator = excluded.decimal_separator, thousands_separator = excluded.thousands_separator,
  date_format = excluded.date_format
where file_formats.builtin;

-- Amazon's logs and lists. New fields may follow the last one at any time, so rows that are longer than the table are cut.
insert into s3_connector.file_formats
  (name, kind, builtin, csv_delimiter, csv_quote, csv_skip_header, null_values, null_quoted, comment_prefix, on_long_row)
values
  ('cloudfront', 'csv', true, e'\t', '', false, '{-}', false, '#', 'cut'),
  ('alb', 'csv', true, ' ', '"', false, '{-}', true, null, 'cut'),
  ('elb', 'csv', true, ' ', '"', false, '{-}', true, null, 'cut'),
  ('s3_access', 'csv', true, ' ', '"', false, '{-}', true, null, 'cut'),
  ('s3_inventory', 'csv', true, ',', '"', false, '{""}', true, null, 'fail')
on conflict (name) do update set
  kind = excluded.kind, csv_delimiter = excluded.csv_delimiter, csv_quote = excluded.csv_quote,
  csv_skip_header = excluded.csv_skip_header, null_values = excluded.null_values, null_quoted = excluded.null_quoted,
  comment_prefix = excluded.comment_prefix, on_long_row = excluded.on_long_row
where file_formats.builtin;
