"""``flame-node relay``: the way to an OMOP database elsewhere in the house."""

from __future__ import annotations

import uvloop

from flame_node_agent.agent.serving import bind, make_server
from flame_node_agent.cli.env_file import EnvFile
from flame_node_agent.config.environment import ENV_FILE
from flame_node_agent.config.relay import load_relay
from flame_node_agent.relay.serving import run
from flame_node_agent.telemetry.logging import configure_logging


def command(env_file: EnvFile = ENV_FILE) -> None:
    """Run omop-relay until it is told to stop.

    Passes each connection on to the server of OMOP_SERVER and to nobody else, byte for byte. Its port is open while
    that server can be reached. SIGTERM and Ctrl-C end it in order.
    """
    settings = load_relay(env_file=env_file)
    configure_logging(settings)
    uvloop.run(run(settings, bind(settings), lambda app: make_server(app, settings)))
