"""The node's own database."""

from __future__ import annotations

import psycopg

from flame_node_agent.doctor.findings import Finding, failed, ok, skipped
from flame_node_agent.doctor.ground import Ground
from flame_node_agent.hub.answers import one_line
from flame_node_agent.stores.database import conninfo, migrations


async def check_database(ground: Ground) -> Finding:
    """Whether PostgreSQL lets this node in, and the schema is this release's."""
    if ground.shared is None:
        return skipped("the settings cannot be used")
    known = [name for name, _ in migrations()]
    try:
        async with await psycopg.AsyncConnection.connect(
            conninfo(ground.shared), autocommit=True
        ) as connection:
            cursor = await connection.execute("SELECT name FROM schema_migration")
            applied = {name for (name,) in await cursor.fetchall()}
    except psycopg.errors.UndefinedTable:
        return failed("the database is empty", "start the agent, which creates its tables")
    except psycopg.Error as error:
        return failed(
            one_line(str(error)) or type(error).__name__,
            "check POSTGRES__HOST, POSTGRES__USER, POSTGRES__PASSWORD and POSTGRES__DB, and whether it runs",
        )
    if missing := [name for name in known if name not in applied]:
        return failed(
            f"not applied yet: {', '.join(missing)}", "start the agent, or look why it cannot change tables"
        )
    newer = applied - set(known)
    if newer:
        return failed(
            f"has changes of a newer release: {', '.join(sorted(newer))}",
            "run the release that has made them",
        )
    return ok(f"all {len(known)} migrations are applied")
