"""``flame-node agent``: the node itself."""

from __future__ import annotations

import typer
import uvloop

from flame_node_agent.agent.main import run
from flame_node_agent.cli.env_file import EnvFile
from flame_node_agent.config.agent_settings import load_agent
from flame_node_agent.config.settings import ENV_FILE
from flame_node_agent.telemetry.logging import configure_logging


def command(env_file: EnvFile = ENV_FILE) -> None:
    """Run the node agent until it is told to stop.

    Its result side serves the result endpoint and brings accepted results to the hub; its task side fetches tasks from
    the hub, runs them and reports. Each runs when its settings are given. Needs neither the hub, nor the object store,
    nor the database to be there when it starts: it waits for them and says so. SIGTERM and Ctrl-C end it in order;
    exit code 2 when the settings cannot be used, or the hub takes this node for another trust.
    """
    settings = load_agent(env_file=env_file)
    configure_logging(settings.shared, besides=settings.sides)
    raise typer.Exit(uvloop.run(run(settings)))
