-- Ids of attempts are random (s3_connector_private.new_attempt_id).
drop sequence s3_connector_private.attempt_ids;
