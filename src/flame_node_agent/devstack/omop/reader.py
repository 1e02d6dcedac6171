"""The role that answers cohort queries: it may read the tables of ``omop`` and nothing else.

A second wall behind the SQL guard of data-access: whatever a statement says, this role cannot write, create,
wait, reach other sessions or read another schema.
"""

from __future__ import annotations

import psycopg
from psycopg import sql

from flame_node_agent.devstack.omop.access import READER

_STATEMENT_SECONDS = 300
"""A backstop; data-access sets its own, shorter limit."""

_EVERY_SERVERS = ("postgres", "template1")
"""Databases that PostgreSQL makes by itself, where everybody may connect."""

_ROLE_LOCK = 7023405410
"""Roles belong to the whole server, and two databases may be loaded at once."""

_SETTINGS = {
    "default_transaction_read_only": "on",
    "statement_timeout": f"{_STATEMENT_SECONDS}s",
    "idle_in_transaction_session_timeout": f"{_STATEMENT_SECONDS}s",
    "lock_timeout": "10s",
    "search_path": "omop",
    "temp_file_limit": "4GB",
}

_REVOKED_FUNCTIONS = """
SELECT oid::regprocedure::text FROM pg_proc
WHERE pronamespace = 'pg_catalog'::regnamespace AND prokind = 'f' AND (
    proname LIKE 'lo\\_%' OR proname IN ('loread', 'lowrite')      -- large objects
    OR proname LIKE 'pg\\_sleep%'                                   -- waiting
    OR proname ~ '^pg_(try_)?advisory_' OR proname = 'pg_notify'    -- other sessions
    OR proname IN ('pg_terminate_backend', 'pg_cancel_backend', 'pg_logical_emit_message')
    OR proname IN ('pg_stat_get_activity', 'pg_stat_get_backend_activity')  -- what others ask
    OR proname ~ '^(query|cursor|table|schema|database)_to_xml'     -- SQL inside of text
    OR proname LIKE 'pg\\_read\\_%' OR proname LIKE 'pg\\_ls\\_%' OR proname LIKE 'pg\\_stat\\_file%'  -- files
    OR proname IN ('pg_current_logfile', 'pg_export_snapshot', 'pg_relation_filepath')
)
"""


def admit_reader(connection: psycopg.Connection, database: str, password: str) -> None:
    """Create or renew the role and its rights on ``database``, to which ``connection`` leads as superuser."""
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [_ROLE_LOCK])
        known = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [READER]).fetchone()
        verb = sql.SQL("CREATE" if known is None else "ALTER")
        connection.execute(
            sql.SQL(
                "{} ROLE {} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOINHERIT NOREPLICATION NOBYPASSRLS PASSWORD {}"
            ).format(verb, sql.Identifier(READER), sql.Literal(password))
        )
        for name, value in _SETTINGS.items():
            connection.execute(
                sql.SQL("ALTER ROLE {} SET {} = {}").format(
                    sql.Identifier(READER), sql.Identifier(name), sql.Literal(value)
                )
            )
        for other in _EVERY_SERVERS:
            connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(sql.Identifier(other)))
        for statement in (
            "REVOKE ALL ON DATABASE {database} FROM PUBLIC",
            "REVOKE ALL ON SCHEMA public FROM PUBLIC",
            "GRANT CONNECT ON DATABASE {database} TO {reader}",
            "GRANT USAGE ON SCHEMA omop TO {reader}",
            "GRANT SELECT ON ALL TABLES IN SCHEMA omop TO {reader}",
            "REVOKE ALL ON pg_stat_activity FROM PUBLIC",
        ):
            connection.execute(
                sql.SQL(statement).format(database=sql.Identifier(database), reader=sql.Identifier(READER))
            )
        for (function,) in connection.execute(_REVOKED_FUNCTIONS).fetchall():
            connection.execute(f"REVOKE EXECUTE ON FUNCTION {function} FROM PUBLIC")
