-- Functions whose results change; sql/ makes them again.
drop function if exists s3_connector_private.describe_table(text, text);
drop function if exists s3_connector_private.watches_statements(regclass);
drop function if exists s3_connector_private.reject_rows(bigint, jsonb);
