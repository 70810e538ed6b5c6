#!/bin/sh
# Makes the roles of an installation, as a superuser: `tally_owner` owns the tables and migrates them, `tally_app` works with
# them. The application's role can neither switch off the triggers that keep the ledger append-only, nor change a table.
# Wants TALLY_OWNER_PASSWORD and TALLY_DB_PASSWORD, and psql's own variables (PGHOST, PGUSER, ...) where it needs them.
set -eu
psql -v ON_ERROR_STOP=1 -v owner_password="$TALLY_OWNER_PASSWORD" -v app_password="$TALLY_DB_PASSWORD" "${POSTGRES_DB:-postgres}" <<'SQL'
create role tally_owner login password :'owner_password';
create role tally_app login password :'app_password';
create database tally owner tally_owner;
\connect tally
revoke all on schema public from public;
grant all on schema public to tally_owner;
grant usage on schema public to tally_app;
alter default privileges for role tally_owner in schema public grant select, insert, update, delete on tables to tally_app;
alter default privileges for role tally_owner in schema public grant usage, select on sequences to tally_app;
SQL
