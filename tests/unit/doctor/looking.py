"""A look at a host that is healthy but for what a test changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flame_node_agent.doctor.findings import Finding
from flame_node_agent.doctor.ground import Ground, Service
from flame_node_agent.doctor.host import GIB
from flame_node_agent.doctor.host_facts import read_host_facts
from flame_node_agent.doctor.whole_trust import Sections, examine_trust
from flame_node_agent.kit.env_text import EnvText
from flame_node_agent.kit.new_trust import complete
from flame_node_agent.kit.template import render_template
from tests.unit.doctor.hosts import SERVICES, container

ROOMY = (100 * GIB, 10 * GIB, 90 * GIB)


def kit_text() -> EnvText:
    """A complete kit."""
    text = EnvText(render_template(results=False))
    complete(text, {"TRUST_NAME": "T", "CENTRAL_HUB_API_URL": "https://hub.example"}, results=False)
    return text


async def look(text: str, kit: Path | None = None, **ground: Any) -> Sections:
    """The whole account of what the script has told."""
    seen = Ground.of_host(read_host_facts(text), kit)
    for name, value in ({"disk_usage": lambda _: ROOMY} | ground).items():
        setattr(seen, name, value)
    return await examine_trust(seen)


async def finding(check: str, text: str, kit: Path | None = None, **ground: Any) -> Finding:
    """One line of the machine's."""
    return (await look(text, kit, **ground))[Service.HOST][check]


def others(*changed: dict[str, Any]) -> list[dict[str, Any]]:
    """The healthy containers, some of them changed."""
    shown = {name: container(name) for name in SERVICES} | {each["service"]: each for each in changed}
    return list(shown.values())
