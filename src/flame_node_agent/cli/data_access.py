"""``flame-node data-access``: cohort queries on the OMOP database."""

from __future__ import annotations

import uvloop
from fastapi import FastAPI

from flame_node_agent.agent.serving import Server, bind, make_server
from flame_node_agent.cli.env_file import EnvFile
from flame_node_agent.cohort.serving import run
from flame_node_agent.config.data_access import load_data_access
from flame_node_agent.config.environment import ENV_FILE
from flame_node_agent.results.docs_ui import add_docs
from flame_node_agent.telemetry.logging import configure_logging


def command(env_file: EnvFile = ENV_FILE) -> None:
    """Run data-access-api until it is told to stop.

    Answers cohort queries on the trust's OMOP database. Needs neither that database nor its own to be there when it
    starts. SIGTERM and Ctrl-C end it in order.
    """
    settings = load_data_access(env_file=env_file)
    configure_logging(settings)

    def serving(app: FastAPI) -> Server:
        if app.openapi_url:
            add_docs(app)
        return make_server(app, settings)

    uvloop.run(run(settings, bind(settings), serving))
