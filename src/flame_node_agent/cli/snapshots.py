"""``flame-node snapshots``: the cohorts that are frozen for approved projects."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import typer
from rich.table import Table

from flame_node_agent.cli.database import with_database
from flame_node_agent.cli.env_file import EnvFile
from flame_node_agent.cli.tables import print_table
from flame_node_agent.cohort.snapshots import SnapshotStore
from flame_node_agent.config.environment import ENV_FILE
from flame_node_agent.stores.database import Database

app = typer.Typer(
    help="See which cohorts are frozen for which project, and let one go.", no_args_is_help=True
)

UNKNOWN = 1


@app.command("list")
def list_snapshots(env_file: EnvFile = ENV_FILE) -> None:
    """List the frozen cohorts, the newest first, with exact numbers: for eyes in the trust only."""

    async def show(database: Database) -> None:
        table = Table("project", "rows", "subjects", "columns", "frozen", box=None)
        for snapshot in await SnapshotStore(database).listing():
            table.add_row(
                str(snapshot.project_id),
                str(snapshot.row_count),
                str(snapshot.subject_count),
                ", ".join(repr(column)[1:-1] for column in snapshot.columns),
                f"{snapshot.frozen_at:%Y-%m-%d %H:%M %Z}",
            )
        print_table(table)

    with_database(env_file, show)


@app.command()
def delete(
    project_id: Annotated[UUID, typer.Argument(help="The project, as `flame-node snapshots list` shows it.")],
    env_file: EnvFile = ENV_FILE,
) -> None:
    """Let the frozen cohort of a project go, so that the hub's next approval freezes that day's."""

    async def remove(database: Database) -> None:
        if not await SnapshotStore(database).delete(project_id):
            typer.echo(f"no cohort is frozen for the project {project_id}", err=True)
            raise typer.Exit(UNKNOWN)
        typer.echo(
            f"Nothing is frozen for {project_id} any more. Have the hub send its persist_cohort task again."
        )

    with_database(env_file, remove)
