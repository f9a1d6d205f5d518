-- Every role that can connect to the database may take any advisory lock. So what must exclude others is a lock on a row or a
-- table that only our roles can use.

-- One row per connector. lock_queue locks it.
create table s3_connector_private.queue_locks (
  connector_name text primary key references s3_connector.connectors (name) on update cascade on delete cascade
);
insert into s3_connector_private.queue_locks (connector_name) select c.name from s3_connector.connectors c;

alter table s3_connector_private.workers add column lock_key integer;
