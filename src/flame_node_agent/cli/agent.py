"""``flame-node agent``: the node itself."""

from __future__ import annotations

import uvloop

from flame_node_agent.agent.main import run
from flame_node_agent.cli.env_file import EnvFile
from flame_node_agent.config.agent_settings import load_agent
from flame_node_agent.config.settings import ENV_FILE
from flame_node_agent.errors import SettingsError, SettingsProblem
from flame_node_agent.telemetry.logging import configure_logging


def command(env_file: EnvFile = ENV_FILE) -> None:
    """Run the node agent until it is told to stop.

    Serves the result endpoint and brings accepted results to the hub. Needs neither the hub, nor the object store,
    nor the database to be there when it starts: it waits for them and says so. SIGTERM and Ctrl-C end it in order.
    """
    settings = load_agent(env_file=env_file)
    configure_logging(settings.shared, besides=settings.sides)
    if settings.results is None:
        raise SettingsError(
            [SettingsProblem("TRUST_API_KEY", "turns on the task side, which cannot run alone yet")]
        )
    uvloop.run(run(settings.results))
