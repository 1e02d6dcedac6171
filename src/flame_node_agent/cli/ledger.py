"""``flame-node ledger``: the account of everything that has left this node."""

from __future__ import annotations

import csv
import json
import sys
from enum import StrEnum
from typing import Annotated

import typer

from flame_node_agent.cli.database import with_database
from flame_node_agent.cli.env_file import EnvFile
from flame_node_agent.config.settings import ENV_FILE
from flame_node_agent.errors import LedgerBroken
from flame_node_agent.stores.database import Database
from flame_node_agent.stores.ledger import Ledger

app = typer.Typer(
    help="Verify or export the account of everything that has left this node.", no_args_is_help=True
)

BROKEN = 1


class Form(StrEnum):
    """Forms of the export."""

    CSV = "csv"
    JSONL = "jsonl"


@app.command()
def verify(
    env_file: EnvFile = ENV_FILE,
    expect_head: Annotated[
        str | None, typer.Option(help="Hash that a row of the ledger must have, noted at an earlier time.")
    ] = None,
) -> None:
    """Check that no row was changed, removed or put in another order since it was written.

    Prints the number of rows and the hash of the last one. Note that hash somewhere else from time to time and give
    it with --expect-head later: it proves that no rows were cut off the end since. Exit code 1: the chain is broken.
    """

    async def check(database: Database) -> None:
        try:
            head = await Ledger(database).verify(expect_head)
        except LedgerBroken as error:
            typer.echo(f"The ledger is broken: {error}", err=True)
            raise typer.Exit(BROKEN) from None
        typer.echo(f"The ledger holds: {head.rows} rows, head {head.hash}")

    with_database(env_file, check)


@app.command()
def export(
    env_file: EnvFile = ENV_FILE,
    form: Annotated[Form, typer.Option("--format", help="CSV with a header line, or JSON Lines.")] = Form.CSV,
) -> None:
    """Write all rows, oldest first, to standard output."""

    async def write(database: Database) -> None:
        writer = csv.writer(sys.stdout)
        first = True
        async for row in Ledger(database).rows():
            fields = row.fields()
            if form is Form.JSONL:
                typer.echo(json.dumps(fields, ensure_ascii=False))
                continue
            if first:
                writer.writerow(fields)
                first = False
            writer.writerow(_harmless(value) for value in fields.values())

    with_database(env_file, write)


def _harmless(value: object) -> object:
    """A file name that begins like a formula is shown as text by spreadsheets (OWASP, "CSV injection")."""
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")):
        return f"'{value}"
    return "" if value is None else value
