"""The ``flame-node`` command: one file per command, each imported only when it is called.

A command is added by one line in :data:`COMMANDS`. Its module holds either a function ``command`` or, for a
command with subcommands, a Typer ``app``.
"""

from __future__ import annotations

import importlib
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from flame_node_agent import __version__
from flame_node_agent.errors import SettingsError

SETTINGS_WRONG = 2
"""Exit code when the settings cannot be used."""

COMMANDS = {
    "agent": "Run the node agent until it is told to stop.",
    "data-access": "Run data-access-api until it is told to stop.",
    "relay": "Run omop-relay until it is told to stop.",
    "policy": "Check the policy that says which projects may be told what.",
    "keys": "Make, show, change and check the keys of a trust.",
    "health": "Ask the service in this container whether it is alive, and say it in one line.",
    "doctor": "Look at everything this node needs, and say what is wrong and what to do about it.",
    "config": "Check the settings, or write a template for them.",
    "outbox": "See what is on its way to the hub, and repeat what has failed.",
    "snapshots": "See which cohorts are frozen for which project, and let one go.",
    "tasks": "See what the hub has asked of this node, and report again.",
    "ledger": "Verify or export the account of everything that has left this node.",
    "dev": "Run the agent with everything it needs on this machine, for development.",
    "demo": "Watch results and cohort numbers travel to a hub on this machine, through crashes and outages.",
}
"""Every command with the line that ``flame-node --help`` shows for it; the module has the command's name,
with an underscore for a dash."""


class LazyCommand(TyperCommand):
    """What is known of a command before its module is imported: its name and one line of help."""

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """Hand over to the real command: from here on, only that one is asked."""
        return load_command(str(self.name)).make_context(info_name, args, parent, **extra)


class Entrance(TyperGroup):
    """All commands, and the one place where wrong settings end a command."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        for name, line in COMMANDS.items():
            self.add_command(LazyCommand(name, help=line))

    def invoke(self, ctx: Any) -> Any:
        """Run the chosen command; settings that cannot be used end it with one line per variable."""
        try:
            return super().invoke(ctx)
        except SettingsError as error:
            for problem in error.problems:
                typer.echo(str(problem), err=True)
            raise typer.Exit(SETTINGS_WRONG) from None


def load_command(name: str) -> Any:
    """Import the module of a command and build the real command from it."""
    module = importlib.import_module(f"{__name__}.{name.replace('-', '_')}")
    holder = typer.Typer(rich_markup_mode="markdown", add_completion=False)
    if hasattr(module, "app"):
        holder.add_typer(module.app, name=name)
    else:
        holder.command(name)(module.command)
    return typer.main.get_group(holder).commands[name]


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"flame-node {__version__}")
        raise typer.Exit


app = typer.Typer(
    name="flame-node",
    cls=Entrance,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)


@app.callback(
    epilog="Start with `flame-node config example > .env`, fill in what it asks for, and have it checked by "
    "`flame-node config check`. Then `flame-node agent` runs the node, and `flame-node data-access` the service that "
    "answers its cohort queries.",
)
def entrance(
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version and end.", callback=_show_version, is_eager=True),
    ] = False,
) -> None:
    """The node a hospital runs for federated research: results leave checked, sealed and accounted for.

    All commands take their settings from environment variables and from a file `.env` in the working
    directory; the environment wins. A command whose settings are wrong ends with exit code 2 and one line
    per variable.
    """


def main() -> None:
    """Entry point of the console script."""
    app()


def run_agent() -> None:
    """Entry point of ``flame-result``, which starts the FLAME Node Result Service: the same as ``flame-node agent``."""
    app(["agent", *sys.argv[1:]])
