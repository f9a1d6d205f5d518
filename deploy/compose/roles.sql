-- The roles of docker-compose.yml. None is a superuser.
-- s3_connector_worker: can create its schemas and `set role app`, but inherits nothing.
-- app: inserts connectors, and owns the tables that files go into.
-- The passwords are in the environment, for psql 14 or newer.

\getenv worker_password WORKER_PASSWORD
\getenv app_password APP_PASSWORD

set search_path = pg_catalog, pg_temp;

create role s3_connector_worker login noinherit password :'worker_password';
create role app login password :'app_password';
create role s3_connector_reader nologin;
create role s3_connector_operator nologin;
create role s3_connector_admin nologin;

grant s3_connector_admin to app;
grant app to s3_connector_worker;
grant create on schema public to app;

do $$
begin
  execute format('grant connect, create, temporary on database %I to s3_connector_worker', current_database());
end;
$$;
