#!/usr/bin/env bash
# One role and one database of its own for NAME on a PostgreSQL server, which nobody else may connect to. Can be run again.
#
#   AMENDS_PASSWORD=… migrations/provision/postgres.sh NAME postgres://admin@host/postgres
#
# The admin's password comes from the address, PGPASSWORD or ~/.pgpass. Needs psql 15 or later.
set -euo pipefail
name=${1:?a name: of the service, its role and its database} admin=${2:?the address of the server as an administrator}
: "${AMENDS_PASSWORD:?the password that the service will use}"
[[ $name =~ ^[a-z][a-z0-9_]*$ ]] || { echo "a name has small letters, digits and _" >&2; exit 2; }

psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --set=name="$name" "$admin" <<'SQL'
\getenv password AMENDS_PASSWORD
select :'name' = current_user as is_admin \gset
\if :is_admin
\warn a service is not the administrator
select 1 / 0;
\endif
select format('create role %I', :'name')
where not exists (select from pg_roles where rolname = :'name') \gexec
alter role :"name" with login password :'password'
    nosuperuser nocreatedb nocreaterole noinherit noreplication nobypassrls;
select format('create database %I owner %I', :'name', :'name')
where not exists (select from pg_database where datname = :'name') \gexec
-- Whoever has a role may connect to any database, unless he is told that he may not.
revoke all on database :"name" from public;
grant connect, temporary on database :"name" to :"name";
revoke connect on database postgres, template1 from public;
\connect :"name"
revoke all on schema public from public;
grant all on schema public to :"name";
SQL
