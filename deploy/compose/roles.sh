#!/bin/bash
# Makes the roles of roles.sql. The database image runs this once, when it creates the database.
set -euo pipefail
psql --username=postgres --dbname="$POSTGRES_DB" --set=ON_ERROR_STOP=1 \
  --set=worker_password="$WORKER_PASSWORD" --set=import_password="$IMPORT_PASSWORD" \
  --set=app_password="$APP_PASSWORD" --file=/setup/roles.sql
