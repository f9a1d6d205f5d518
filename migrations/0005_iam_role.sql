-- auth_method = iam_role is built; nothing is left for it to refuse.
drop function if exists s3_connector_private.refuse_unbuilt(s3_connector.connectors);
