-- Who works in the database of docker-compose.yml: the worker, which may make its schemas and become app, but inherits
-- nothing; and app, which inserts connectors and owns the tables that files go into. Neither is a superuser.

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
