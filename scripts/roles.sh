#!/bin/sh
# Creates the roles of an installation, as a superuser: `tally_owner` owns and migrates the tables, `tally_app` uses
# them. `tally_app` can neither disable the triggers that keep the ledger append-only, nor alter a table.
# Requires TALLY_OWNER_PASSWORD and TALLY_DB_PASSWORD; psql also reads its own variables (PGHOST, PGUSER, ...).
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
