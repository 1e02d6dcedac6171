"""Fill a database with synthetic patients, entirely inside PostgreSQL.

Every value is a draw for (seed, person, what is drawn), so the first persons are the same whatever their number, on
every machine. Statements work on whole tables; a million persons take about a minute.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import resources

import psycopg
from psycopg import sql

from flame_node_agent.devstack.omop.access import OmopAccess
from flame_node_agent.devstack.omop.reader import admit_reader
from flame_node_agent.devstack.postgres import PostgresAccess

SEED = 20260101
_RELEASE = 1
"""Raised with every change of the statements, so that what an earlier release loaded is loaded again."""

_STEPS = (("1_schema", "2_vocabulary", "3_persons"), ("4_conditions",), ("4_visits",))
"""Scripts by transaction; the last two run side by side."""

_DRAW = sql.SQL("""
CREATE FUNCTION pg_temp.draw(id bigint, stream bigint) RETURNS double precision
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ((hashint8extended(id, {base} + stream) >> 11) & 9007199254740991) / 9007199254740992.0::double precision
""")
"""A number of [0, 1) that depends on nothing but the seed and both arguments."""


def load(owner: PostgresAccess, persons: int, *, reader_password: str, seed: int = SEED) -> OmopAccess:
    """Make schema ``omop`` of ``owner``'s database hold ``persons`` persons, and let the reader in.

    What an earlier call loaded is kept if it is the same, and replaced otherwise. ``owner`` must be a superuser.
    """
    wanted = f"synthetic: release {_RELEASE}, seed {seed}, {persons} persons"
    with psycopg.connect(owner.dsn, autocommit=True) as connection:
        if _loaded(connection) != wanted:
            connection.execute("DROP SCHEMA IF EXISTS omop CASCADE")
            first, *rest = _STEPS
            _run_together(owner, [first], persons, seed)
            _run_together(owner, rest, persons, seed)
            connection.execute(sql.SQL("COMMENT ON SCHEMA omop IS {}").format(sql.Literal(wanted)))
        admit_reader(connection, owner.database, reader_password)
    return OmopAccess(owner, reader_password, persons)


def _loaded(connection: psycopg.Connection) -> str | None:
    """What the schema says that it holds; None if it is not there or was not completed."""
    found = connection.execute(
        "SELECT obj_description(oid, 'pg_namespace') FROM pg_namespace WHERE nspname = 'omop'"
    ).fetchone()
    return found[0] if found else None


def _run_together(owner: PostgresAccess, steps: Sequence[tuple[str, ...]], persons: int, seed: int) -> None:
    """Run the steps side by side, each over a connection of its own; Ctrl-C ends them in the database, too."""
    connections = [psycopg.connect(owner.dsn) for _ in steps]
    with ThreadPoolExecutor(len(steps)) as pool:
        try:
            list(pool.map(lambda one, scripts: _run(one, scripts, persons, seed), connections, steps))
        except BaseException:
            for connection in connections:
                connection.cancel_safe()
            raise


def _run(connection: psycopg.Connection, scripts: tuple[str, ...], persons: int, seed: int) -> None:
    with connection:
        # What is loaded can be loaded again, so nobody has to wait for the disk.
        connection.execute("SET LOCAL synchronous_commit = off")
        connection.execute("SET LOCAL maintenance_work_mem = '128MB'")
        connection.execute("SELECT set_config('omop.persons', %s, true)", [str(persons)])
        connection.execute(_DRAW.format(base=sql.Literal(seed << 32)))
        for script in scripts:
            connection.execute(_script(script))


def _script(name: str) -> bytes:
    return (resources.files(__package__) / "sql" / f"{name}.sql").read_bytes()
