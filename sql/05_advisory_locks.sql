-- The numbers of all advisory locks of the connector. "Lock class": the first of a lock's two numbers.
--
--   lock                        scope        taken by                        serialises
--   1395868504                  session      src/db/migrations.ts            migrating one database
--   1395868604                  transaction  src/db/migrations.ts            applying migrations/ and sql/
--   (1395868505, workers.id)    session      register_worker                 nothing: the worker is alive while it holds it
--   (1395868506, hash of name)  transaction  lock_queue, try_lock_queue      moving several jobs of one connector
--   1395868507                  transaction  fold_totals                     summing up total_changes

create or replace function s3_connector_private.worker_lock_class()
returns integer language sql immutable parallel safe return 1395868505;
comment on function s3_connector_private.worker_lock_class() is
  'Returns the first number of the workers'' advisory locks; the second is the worker''s id.';

create or replace function s3_connector_private.queue_lock_class()
returns integer language sql immutable parallel safe return 1395868506;
comment on function s3_connector_private.queue_lock_class() is
  'Returns the first number of the advisory locks of lock_queue; the second is a hash of the connector''s name.';

create or replace function s3_connector_private.totals_lock()
returns bigint language sql immutable parallel safe return 1395868507::bigint;
comment on function s3_connector_private.totals_lock() is
  'Returns the number of the advisory lock that fold_totals takes.';
