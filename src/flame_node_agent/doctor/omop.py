"""The role with which cohort queries run: whether it can read, and really nothing else.

PostgreSQL is asked what the role may do; nothing is tried out on a hospital's data.
"""

from __future__ import annotations

from dataclasses import dataclass

import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.rows import class_row

from flame_node_agent.config.data_access import DataAccessSettings
from flame_node_agent.doctor.findings import Finding, failed, ok, skipped, warned
from flame_node_agent.doctor.ground import Ground
from flame_node_agent.doctor.relay import look_by_relay
from flame_node_agent.hub.answers import one_line

CONNECT_SECONDS = 5

_RIGHTS = """
SELECT
    (SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = 'omop' AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
       AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')) AS readable,
    (SELECT array_agg(attribute) FROM (
        SELECT unnest(ARRAY[
            CASE WHEN rolsuper THEN 'superuser' END, CASE WHEN rolcreatedb THEN 'CREATEDB' END,
            CASE WHEN rolcreaterole THEN 'CREATEROLE' END, CASE WHEN rolreplication THEN 'REPLICATION' END,
            CASE WHEN rolbypassrls THEN 'BYPASSRLS' END]) AS attribute
        FROM pg_roles WHERE rolname = current_user) AS own WHERE attribute IS NOT NULL) AS attributes,
    (SELECT array_agg(rolname::text ORDER BY rolname) FROM pg_roles
     WHERE rolname IN ('pg_write_all_data', 'pg_read_server_files', 'pg_write_server_files',
                       'pg_execute_server_program', 'pg_signal_backend')
       AND pg_has_role(current_user, oid, 'MEMBER')) AS memberships,
    (SELECT array_agg(n.nspname || '.' || c.relname ORDER BY 1) FROM pg_class c
     JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
       AND (has_table_privilege(c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE')
            OR has_any_column_privilege(c.oid, 'INSERT, UPDATE'))) AS writable,
    (SELECT array_agg(nspname::text ORDER BY nspname) FROM pg_namespace
     WHERE nspname !~ '^pg_' AND has_schema_privilege(oid, 'CREATE')) AS creatable,
    has_database_privilege(current_database(), 'CREATE') AS creates_schemas,
    (SELECT array_agg(n.nspname || '.' || c.relname ORDER BY 1) FROM pg_class c
     JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname !~ '^pg_'
       AND n.nspname NOT IN ('information_schema', 'omop')
       AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')
       AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = c.oid AND deptype = 'e')) AS elsewhere
"""


@dataclass(frozen=True)
class Rights:
    """What PostgreSQL says that the role may do; None for an empty list."""

    readable: int
    attributes: list[str] | None
    memberships: list[str] | None
    writable: list[str] | None
    creatable: list[str] | None
    creates_schemas: bool
    elsewhere: list[str] | None
    """What it may read outside of the schema omop, but for what an extension has brought."""

    def too_many(self) -> list[str]:
        """Everything beyond reading."""
        found = [f"is {', '.join(self.attributes)}"] if self.attributes else []
        found += [f"belongs to {', '.join(self.memberships)}"] if self.memberships else []
        found += [f"may write {_some(self.writable)}"] if self.writable else []
        found += [f"may create in schema {_some(self.creatable)}"] if self.creatable else []
        return found + (["may create schemas"] if self.creates_schemas else [])


async def check_omop_role(ground: Ground) -> Finding:
    """Whether DATA_ACCESS_POSTGRES_USER may read the schema omop, and can change nothing."""
    settings = ground.data_access
    if settings is None:
        return skipped("the settings cannot be used")
    role = settings.data_access_postgres_user
    try:
        rights = await _rights(settings)
    except psycopg.Error as error:
        if error.sqlstate is None and (finding := await look_by_relay(ground)) is not None:
            return finding
        return failed(
            one_line(str(error)) or type(error).__name__,
            "check OMOP_DB_SERVICE_NAME, OMOP_DB_PORT, OMOP_POSTGRES_DB and the role's password",
        )
    if excess := rights.too_many():
        return failed(
            f"{role} {'; '.join(excess)}",
            "let it have USAGE on schema omop and SELECT on its tables alone: REVOKE the rest, from PUBLIC as well",
        )
    if not rights.readable:
        return failed(
            f"{role} may read nothing in schema omop", "GRANT it USAGE on the schema, SELECT on its tables"
        )
    seen = f"{role} may read {rights.readable} tables of schema omop, and"
    if rights.elsewhere:
        return warned(
            f"{seen} {_some(rights.elsewhere)} elsewhere; it may change nothing",
            "REVOKE SELECT there, from PUBLIC as well, unless it is meant to be so",
        )
    return ok(f"{seen} nothing else")


async def _rights(settings: DataAccessSettings) -> Rights:
    address = make_conninfo(
        settings.omop_conninfo(),
        application_name="flame-node-doctor",
        connect_timeout=CONNECT_SECONDS,
    )
    async with (
        await psycopg.AsyncConnection.connect(address, autocommit=True) as connection,
        connection.cursor(row_factory=class_row(Rights)) as cursor,
    ):
        await cursor.execute(_RIGHTS)
        row = await cursor.fetchone()
    assert row is not None  # there is no FROM in it
    return row


def _some(names: list[str]) -> str:
    shown = ", ".join(names[:3])
    return f"{shown} and {len(names) - 3} more" if len(names) > 3 else shown
