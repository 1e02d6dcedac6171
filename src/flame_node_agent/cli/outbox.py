"""``flame-node outbox``: what is on its way to the hub."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import typer
from rich.table import Table

from flame_node_agent.cli.database import with_database
from flame_node_agent.cli.env_file import EnvFile
from flame_node_agent.cli.tables import print_table
from flame_node_agent.config.settings import ENV_FILE
from flame_node_agent.stores.database import Database
from flame_node_agent.stores.retention import Retention
from flame_node_agent.stores.uploads import UploadState

app = typer.Typer(help="See what is on its way to the hub, and repeat what has failed.", no_args_is_help=True)

UNKNOWN = 1


@app.command("list")
def list_uploads(
    env_file: EnvFile = ENV_FILE,
    state: Annotated[UploadState | None, typer.Option(help="Only uploads in this state.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most this many, newest first.")] = 50,
) -> None:
    """List uploads with their state, attempts and what went wrong last."""

    async def show(database: Database) -> None:
        table = Table(
            "upload", "kind", "analysis", "file", "bytes", "state", "attempts", "last error", box=None
        )
        for upload in await Retention(database).listing(state, limit):
            table.add_row(
                str(upload.upload_id),
                upload.kind,
                str(upload.analysis_id),
                repr(upload.filename)[1:-1],
                str(upload.size),
                upload.state,
                str(upload.attempts),
                upload.last_error or "",
            )
        print_table(table)

    with_database(env_file, show)


@app.command()
def retry(
    upload_id: Annotated[
        UUID, typer.Argument(help="Id of the upload, as `flame-node outbox list` shows it.")
    ],
    env_file: EnvFile = ENV_FILE,
) -> None:
    """Try a failed upload again, or a waiting one now."""

    async def replay(database: Database) -> None:
        if not await Retention(database).replay(upload_id):
            typer.echo(f"no failed or waiting upload has the id {upload_id}", err=True)
            raise typer.Exit(UNKNOWN)
        typer.echo(f"{upload_id} is in the queue again.")

    with_database(env_file, replay)
