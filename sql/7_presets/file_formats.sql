-- "Presets": the builtin file formats. Each says how one program writes its files. Defaults are COPY's own CSV.

merge into s3_connector.file_formats f
using (values
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
) as p (name, kind, builtin, csv_delimiter, csv_quote, csv_skip_header, null_values, layout)
on f.name = p.name
when matched and f.builtin then update set
  kind = p.kind, csv_delimiter = p.csv_delimiter, csv_quote = p.csv_quote,
  csv_skip_header = p.csv_skip_header, null_values = p.null_values::text[], layout = p.layout
when not matched then insert
  (name, kind, builtin, csv_delimiter, csv_quote, csv_skip_header, null_values, layout)
values
  (p.name, p.kind, p.builtin, p.csv_delimiter, p.csv_quote, p.csv_skip_header, p.null_values::text[], p.layout);

merge into s3_connector.file_formats f
using (values
  -- "CSV UTF-8", with the regional settings of the United States and of Germany. Older files need csv_encoding win1252.
  ('excel', 'csv', true, ',', 'utf-8', '.', ',', 'MDY'),
  ('excel_de', 'csv', true, ';', 'utf-8', ',', '.', 'DMY')
) as p (name, kind, builtin, csv_delimiter, csv_encoding, decimal_separator, thousands_separator, date_format)
on f.name = p.name
when matched and f.builtin then update set
  kind = p.kind, csv_delimiter = p.csv_delimiter, csv_encoding = p.csv_encoding,
  decimal_separator = p.decimal_separator,
  thousands_separator = p.thousands_separator, date_format = p.date_format
when not matched then insert
  (name, kind, builtin, csv_delimiter, csv_encoding, decimal_separator, thousands_separator, date_format)
values
  (p.name, p.kind, p.builtin, p.csv_delimiter, p.csv_encoding, p.decimal_separator, p.thousands_separator, p.date_format);

-- Amazon's logs and lists. New fields may follow the last one at any time, so rows that are longer than the table are cut.
merge into s3_connector.file_formats f
using (values
  ('cloudfront', 'csv', true, e'\t', '', false, '{-}', false, '#', 'cut'),
  ('alb', 'csv', true, ' ', '"', false, '{-}', true, null, 'cut'),
  ('elb', 'csv', true, ' ', '"', false, '{-}', true, null, 'cut'),
  ('s3_access', 'csv', true, ' ', '"', false, '{-}', true, null, 'cut'),
  ('s3_inventory', 'csv', true, ',', '"', false, '{""}', true, null, 'fail')
) as p (name, kind, builtin, csv_delimiter, csv_quote, csv_skip_header, null_values, null_quoted, comment_prefix, on_long_row)
on f.name = p.name
when matched and f.builtin then update set
  kind = p.kind, csv_delimiter = p.csv_delimiter, csv_quote = p.csv_quote,
  csv_skip_header = p.csv_skip_header, null_values = p.null_values::text[], null_quoted = p.null_quoted,
  comment_prefix = p.comment_prefix, on_long_row = p.on_long_row
when not matched then insert
  (name, kind, builtin, csv_delimiter, csv_quote, csv_skip_header, null_values, null_quoted, comment_prefix, on_long_row)
values
  (p.name, p.kind, p.builtin, p.csv_delimiter, p.csv_quote, p.csv_skip_header, p.null_values::text[], p.null_quoted, p.comment_prefix, p.on_long_row);

merge into s3_connector.file_formats f
using (values
  -- JSON lines, arrays of objects, and objects that follow each other: found by content.
  ('json', null),
  -- The logs of AWS CloudTrail. Its digest files have no records: exclude them.
  ('cloudtrail', '$.Records'),
  -- Amazon Data Firehose writes objects without line breaks between them.
  ('firehose', null)
) as p (name, json_records)
on f.name = p.name
when matched and f.builtin then update set kind = 'json', json_records = p.json_records
when not matched then insert (name, kind, builtin, json_records) values (p.name, 'json', true, p.json_records);
