"""``flame-node demo``: the main job shown, with real parts, and proved by a table."""

from __future__ import annotations

import httpx
import typer

from flame_node_agent.devstack.demo.analysis import Unexpected
from flame_node_agent.devstack.demo.narrator import Narrator
from flame_node_agent.devstack.demo.story import tell
from flame_node_agent.devstack.processes import StackError

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it."""


def command() -> None:
    """Watch results and cohort numbers travel to a hub on this machine, through crashes and outages.

    Starts PostgreSQL, an S3 server, an OIDC issuer, a development hub, data-access-api and the agent, sends real
    files through them, breaks what can break, lets the hub ask for cohorts, and compares in the end what was sent
    with what has arrived, and what the hub got for each query with what it may get. Takes about a minute and
    2 GiB of disk, and leaves nothing behind. Exit code 0 only if everything is as it must be.
    """
    try:
        everything_matches = tell(Narrator())
    except KeyboardInterrupt:
        typer.echo("interrupted; nothing of the demonstration is running any more", err=True)
        raise typer.Exit(INTERRUPTED) from None
    except (StackError, Unexpected, httpx.HTTPError, OSError) as error:
        typer.echo(f"flame-node demo has failed: {error}", err=True)
        for note in getattr(error, "__notes__", []):
            typer.echo(note, err=True)
        raise typer.Exit(1) from None
    if not everything_matches:
        raise typer.Exit(1)
