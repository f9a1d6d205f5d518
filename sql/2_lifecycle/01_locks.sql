-- The locks of the connector. Every role that can connect to the database may take any advisory lock, so advisory locks exclude
-- nobody: the holder of a worker's lock must be one of our roles, and an import without the other does more work.
--
--   lock                                     taken by                    serialises
--   table s3_connector_queue.migrations      src/db/migrations.ts        applying migrations/ and sql/
--   row of queue_locks                       lock_queue and its like     moving several jobs of one connector
--   table recent_totals                      fold_totals, count_totals   summing up total_changes
--   table database_identity                  pause_if_copied             recognizing a copy of the database
--   table import_secret                      admit_import_role           granting the functions of imports
--   tables files and late_files              count_totals                counting all files and late keys again
--   all our tables and views                 src/db/lock_schema.ts       applying migrations/ and sql/
--   advisory (1395868505, workers.lock_key)  register_worker             nothing: the worker is alive while it holds it
--   advisory (hash of table, seed 1)         src/copy/columnstore.ts     nothing: the import with it may create chunks

create or replace function s3_connector_private.worker_lock_class()
returns integer language sql immutable parallel safe return 1395868505;
comment on function s3_connector_private.worker_lock_class() is
  'Returns the first number of the workers'' advisory locks; the second is workers.lock_key.';
