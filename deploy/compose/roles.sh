#!/bin/bash
# Makes the roles of roles.sql. The database image runs this once, when it creates the database.
set -euo pipefail
# roles.sql reads the passwords from the environment: every user of a machine can read command lines.
: "${WORKER_PASSWORD:?must be set}" "${IMPORT_PASSWORD:?must be set}" "${APP_PASSWORD:?must be set}"
psql --username=postgres --dbname="$POSTGRES_DB" --set=ON_ERROR_STOP=1 --file=/setup/roles.sql
