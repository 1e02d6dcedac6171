#!/bin/sh
# First start of an OMOP database beside the node: the schema, and the role of data-access-api, which may read its
# tables and nothing else. Tables are loaded by the trust's own means, as the owner.
set -eu
psql --no-psqlrc --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" <<'SQL'
\getenv reader DATA_ACCESS_POSTGRES_USER
\getenv password DATA_ACCESS_POSTGRES_PASSWORD
\getenv database POSTGRES_DB
CREATE SCHEMA omop;
CREATE ROLE :"reader" LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOINHERIT NOREPLICATION NOBYPASSRLS PASSWORD :'password';
ALTER ROLE :"reader" SET default_transaction_read_only = on;
ALTER ROLE :"reader" SET statement_timeout = '300s';
ALTER ROLE :"reader" SET idle_in_transaction_session_timeout = '300s';
ALTER ROLE :"reader" SET lock_timeout = '10s';
ALTER ROLE :"reader" SET search_path = omop;
REVOKE ALL ON DATABASE :"database" FROM PUBLIC;
REVOKE ALL ON DATABASE postgres FROM PUBLIC;
REVOKE ALL ON DATABASE template1 FROM PUBLIC;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT CONNECT ON DATABASE :"database" TO :"reader";
GRANT USAGE ON SCHEMA omop TO :"reader";
ALTER DEFAULT PRIVILEGES IN SCHEMA omop GRANT SELECT ON TABLES TO :"reader";
SQL
