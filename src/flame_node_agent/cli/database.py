"""For commands that look at the agent's database: open it, and say what a missing one means."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import typer

from flame_node_agent.config.agent_settings import load_agent
from flame_node_agent.errors import DatabaseUnavailable
from flame_node_agent.stores.database import Database

UNAVAILABLE = 3


def with_database(env_file: Path, use: Callable[[Database], Awaitable[None]]) -> None:
    """Run ``use`` on the agent's database; exit code 3 when it is away or was never migrated."""

    async def connected() -> None:
        database = await Database.open(load_agent(env_file=env_file).shared)
        try:
            await database.check()
            await use(database)
        finally:
            await database.close()

    try:
        asyncio.run(connected())
    except DatabaseUnavailable as error:
        typer.echo(
            f"The database cannot be read: {error}. Check POSTGRES__HOST and whether it runs.", err=True
        )
        raise typer.Exit(UNAVAILABLE) from None
