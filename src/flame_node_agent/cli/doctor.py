"""``flame-node doctor``: the troubleshooting table as a command."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Mapping
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
from flame_node_agent.doctor.host_facts import read_host_facts
from flame_node_agent.doctor.whole_trust import examine_trust

ILL = 1
HEADINGS = {
    Service.HOST: "This machine",
    Service.AGENT: "trust-api",
    Service.DATA_ACCESS: "data-access-api",
}

type Sections = Mapping[Service, Mapping[str, Finding]]


def command(
    env_file: EnvFile = ENV_FILE,
    service: Annotated[
        Service, typer.Option(help="Whose surroundings are looked at; `host` reads standard input.")
    ] = Service.AGENT,
    kit: Annotated[
        Path | None, typer.Option(help="The trust's kit file, to be looked at as well.", metavar="FILE")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As one JSON object.")] = False,
) -> None:
    """Look at everything this node needs, and say what is wrong and what to do about it.

    One line for each check: ✔ is well, ✘ is wrong, – cannot be seen from here or is not used. Behind → stands what to
    do; start with the first ✘, as it is often the cause of others. Works while the node runs, changes nothing, and
    shows nothing secret. Exit code 1 when anything is wrong.

    On the machine of a trust, `make doctor-local-trust` looks at everything in one go: the machine, the agent and
    data-access-api, whether they run or not. Within one container:

    * `docker exec trust-api flame-node doctor` looks at what the agent needs: hub, proxy, certificates, keys, stores.

    * `flame-node doctor --service data-access`, in the container of data-access-api, looks at the OMOP database and
      whether its role can really do nothing but read.

    * `--json` is for scripts; docs/reference/doctor.md tells its fields, and what each check means.
    """
    _silence()
    if service is Service.HOST:
        _tell(service, uvloop.run(examine_trust(_host(kit))), as_json=as_json)
    else:
        ground = Ground.load(service, env_file=env_file, kit=kit)
        _tell(service, {service: uvloop.run(examine(ground))}, as_json=as_json)


def _host(kit: Path | None) -> Ground:
    if sys.stdin.isatty():
        raise typer.BadParameter("the host tells of itself on standard input: use `make doctor-local-trust`")
    try:
        return Ground.of_host(read_host_facts(sys.stdin.read()), kit)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def _silence() -> None:
    """Let nothing but the report be written: what would be logged is in it."""
    logging.disable(logging.CRITICAL)
    structlog.configure(
        logger_factory=structlog.ReturnLoggerFactory(),  # what it is given goes nowhere
    )


def _tell(service: Service, sections: Sections, *, as_json: bool) -> None:
    findings = [finding for section in sections.values() for finding in section.values()]
    well = all(finding.state is not State.FAILED for finding in findings)
    typer.echo(_json(service, sections, well) if as_json else _text(sections))
    if not well:
        raise typer.Exit(ILL)


def _text(sections: Sections) -> str:
    width = max(len(name) for section in sections.values() for name in section)
    if len(sections) == 1:
        return "\n".join(line for section in sections.values() for line in _lines(section, width))
    return "\n\n".join(
        "\n".join([HEADINGS[service], *_lines(_all_the_same(section) or section, width)])
        for service, section in sections.items()
    )


def _lines(findings: Mapping[str, Finding], width: int) -> list[str]:
    return [
        f"{MARKS[finding.state]} {name:{width}}  {finding.seen}" + (f" → {finding.do}" if finding.do else "")
        for name, finding in findings.items()
    ]


def _all_the_same(findings: Mapping[str, Finding]) -> dict[str, Finding] | None:
    """One line instead of many, for a service that could not be asked at all."""
    distinct = set(findings.values())
    return {"all checks": distinct.pop()} if len(findings) > 1 and len(distinct) == 1 else None


def _json(service: Service, sections: Sections, well: bool) -> str:
    told = [
        {"of": of, "check": name, "state": finding.state, "seen": finding.seen, "do": finding.do}
        for of, section in sections.items()
        for name, finding in section.items()
    ]
    return json.dumps({"service": service, "well": well, "checks": told}, ensure_ascii=False)
