"""``flame-node doctor``: the troubleshooting table as a command."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Annotated

import structlog
import typer
import uvloop

from flame_node_agent.cli.env_file import EnvFile
from flame_node_agent.config.environment import ENV_FILE
from flame_node_agent.doctor.examination import examine
from flame_node_agent.doctor.findings import MARKS, Finding, State
from flame_node_agent.doctor.ground import Ground, Service

ILL = 1


def command(
    env_file: EnvFile = ENV_FILE,
    service: Annotated[Service, typer.Option(help="Whose surroundings are looked at.")] = Service.AGENT,
    kit: Annotated[
        Path | None, typer.Option(help="The trust's kit file, to be looked at as well.", metavar="FILE")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As one JSON object.")] = False,
) -> None:
    """Look at everything this node needs, and say what is wrong and what to do about it.

    One line for each check: ✔ is well, ✘ is wrong, – cannot be seen from here or is not used. Works while the node
    runs, changes nothing, and shows nothing secret. Exit code 1 when anything is wrong.
    """
    _silence()
    ground = Ground.load(service, env_file=env_file, kit=kit)
    findings = uvloop.run(examine(ground))
    well = all(finding.state is not State.FAILED for finding in findings.values())
    typer.echo(_json(service, findings, well) if as_json else _lines(findings))
    if not well:
        raise typer.Exit(ILL)


def _silence() -> None:
    """Let nothing but the report be written: what would be logged is in it."""
    logging.disable(logging.CRITICAL)
    structlog.configure(
        logger_factory=structlog.ReturnLoggerFactory(),  # what it is given goes nowhere
    )


def _lines(findings: dict[str, Finding]) -> str:
    width = max(map(len, findings))
    return "\n".join(
        f"{MARKS[finding.state]} {name:{width}}  {finding.seen}" + (f" → {finding.do}" if finding.do else "")
        for name, finding in findings.items()
    )


def _json(service: Service, findings: dict[str, Finding], well: bool) -> str:
    told = [
        {"check": name, "state": finding.state, "seen": finding.seen, "do": finding.do}
        for name, finding in findings.items()
    ]
    return json.dumps({"service": service, "well": well, "checks": told}, ensure_ascii=False)
