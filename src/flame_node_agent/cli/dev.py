"""``flame-node dev``: the agent with everything it needs, on this machine, until Ctrl-C."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from flame_node_agent.devstack.agent_server import settings_passed_on
from flame_node_agent.devstack.data_access_server import cohort_settings_passed_on
from flame_node_agent.devstack.hub_server import PROFILES, Profile, TaskRoutes
from flame_node_agent.devstack.processes import StackError
from flame_node_agent.devstack.stack import OMOP_PERSONS, Stack, TaskGround
from flame_node_agent.devstack.supervisor import Supervisor


def command(
    state_dir: Annotated[
        Path,
        typer.Option(help="Folder for data, keys, ports and logs; used again, it continues where it was."),
    ],
    ready_file: Annotated[
        Path,
        typer.Option(help="Written once all is up, removed at the end: addresses, tokens and keys, as JSON."),
    ],
    hub_profile: Annotated[
        Profile, typer.Option(help="The FLAME hub release that the development hub speaks like.")
    ] = PROFILES[0],
    omop_persons: Annotated[
        int,
        typer.Option(min=1, help="Persons of the synthetic OMOP database; the first are always the same."),
    ] = OMOP_PERSONS,
    hub_rate_limits: Annotated[
        bool,
        typer.Option(
            "--hub-rate-limits", help="Let the hub refuse what comes too often, as FLIP's hub does."
        ),
    ] = False,
    hub_task_routes: Annotated[
        TaskRoutes, typer.Option(help="The generation of FLIP's task routes that the hub has.")
    ] = "current",
) -> None:
    """Run the agent with everything it needs on this machine, for development.

    Starts PostgreSQL with a synthetic OMOP database, an S3 server (SeaweedFS), an OIDC issuer, a development hub,
    data-access-api and the agent, all on 127.0.0.1, and stays in the foreground until Ctrl-C. A part that ends is
    reported and stays ended, so that outages can be watched; `kill -USR1` of this process brings back all but the
    agent.

    Settings named `LOG__*`, `HTTP__*`, `OUTBOX__*`, `RESULTS__*`, `JANITOR__*`, `TASKS__*`, `COHORT_*`, `CACHE_*`,
    `POLL_INTERVAL_SECONDS`, `HEARTBEAT_INTERVAL_SECONDS`, `IMAGING_API_URL`, `XNAT_URL`, `SNAPSHOT_MAX_BYTES`,
    `ACCESS_POLICY_FILE` and `SHUTDOWN_GRACE_SECONDS` in the environment are handed on to the agent and to
    data-access-api; everything else is the stack's own.
    """
    try:
        stack = Stack(
            state_dir,
            profile=hub_profile,
            tasks=TaskGround(omop_persons, hub_rate_limits, hub_task_routes),
            agent_settings=settings_passed_on(os.environ),
            data_access_settings=cohort_settings_passed_on(os.environ),
        )
        Supervisor(stack, ready_file.absolute(), typer.echo).run()
    except (StackError, OSError) as error:
        typer.echo(f"flame-node dev: {error}", err=True)
        raise typer.Exit(1) from None
