-- The roles of docker-compose.yml. None is a superuser.
-- s3_connector_worker: owns the connector's schemas, and sees how far imports are. No code of app runs in its sessions.
-- s3_connector_importer: the login for imports. Can `set role app`, but inherits nothing.
-- app: inserts connectors, and owns the tables that files go into.
-- The passwords are in the environment, for psql 14 or newer.

\getenv worker_password WORKER_PASSWORD
\getenv import_password IMPORT_PASSWORD
\getenv app_password APP_PASSWORD

create role s3_connector_worker login password :'worker_password';
create role s3_connector_importer login noinherit password :'import_password';
create role app login password :'app_password';
create role s3_connector_reader nologin;
create role s3_connector_operator nologin;
create role s3_connector_admin nologin;

grant s3_connector_admin to app;
grant app to s3_connector_importer;
grant pg_read_all_stats to s3_connector_worker;
grant create on schema public to app;

do $$
begin
  execute format('grant connect, create on database %I to s3_connector_worker', current_database());
  execute format('grant connect on database %I to s3_connector_importer', current_database());
end;
$$;
