"""One report of a whole trust: the machine, and what its services say of themselves."""

from __future__ import annotations

from collections.abc import Mapping

from flame_node_agent.doctor.checks import CHECKS
from flame_node_agent.doctor.examination import examine
from flame_node_agent.doctor.findings import Finding, failed, skipped
from flame_node_agent.doctor.ground import Ground, Service
from flame_node_agent.doctor.host_facts import HostFacts

CONTAINERS = {Service.AGENT: "trust-api", Service.DATA_ACCESS: "data-access-api"}
"""The services that have a doctor of their own, and what they are called in the Compose files."""

type Sections = dict[Service, dict[str, Finding]]


async def examine_trust(ground: Ground) -> Sections:
    """Look at the host, and put the services' reports behind it.

    What the host can see better, such as published ports, is told once: by the host.
    """
    assert ground.facts is not None
    host = await examine(ground)
    return {Service.HOST: host} | {
        service: _report(ground.facts, service, told=host) for service in CONTAINERS
    }


def _report(facts: HostFacts, service: Service, told: Mapping[str, Finding]) -> dict[str, Finding]:
    names = [check.name for check in CHECKS if service in check.services and check.name not in told]
    report = facts.reports.get(service)
    if report is None:
        return dict.fromkeys(names, _silent(facts, CONTAINERS[service]))
    return {name: finding for name, finding in report.items() if name not in told}


def _silent(facts: HostFacts, name: str) -> Finding:
    container = facts.containers.get(name)
    if container is None or container.status != "running":
        return skipped(f"{name} does not run, so it cannot be asked")
    return failed(
        f"{name} runs, and its own doctor does not answer",
        f"look at its log: `make logs-local-trust SERVICE={name}`",
    )
