"""What only the host can see of a trust, as ``trust/scripts/doctor.sh`` tells it on standard input.

The script asks Docker and judges nothing. Its text has parts: a line ``# name``, then lines of that part. It asks for
single fields, never for the environment of a container, so no secret is in it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from flame_node_agent.doctor.findings import Finding, State

_DF = re.compile(r"^(?P<path>[^\t]+)\t.*?\s(?P<all>\d+)\s+(?P<used>\d+)\s+(?P<free>\d+)\s+\d+%\s")
_KIB = 1024


class _Told(BaseModel):
    model_config = ConfigDict(frozen=True)


class Binding(_Told):
    """Where on the host a port of a container is reached."""

    address: str = Field(default="", alias="HostIp")
    port: str = Field(default="", alias="HostPort")


class Container(_Told):
    """One container of the stack (``docker inspect``)."""

    service: str
    image: str
    """Id of the image."""
    status: str
    """One of created, running, paused, restarting, removing, exited, dead (Docker Engine API, ContainerState)."""
    exit_code: int
    out_of_memory: bool
    health: str
    """One of starting, healthy, unhealthy; empty when nobody checks."""
    restart: str
    network: str
    """Network mode; ``host`` is that of the machine."""
    ports: dict[str, list[Binding] | None] | None


class Image(_Told):
    """One image (``docker image inspect``)."""

    id: str
    version: str | None
    revision: str | None

    def __str__(self) -> str:
        exact = (
            self.revision if self.revision not in {None, "", "unknown"} else self.id.removeprefix("sha256:")
        )
        return f"{self.version or 'without a version'} ({str(exact)[:12]})"


class Volume(_Told):
    """One volume of the stack (``docker volume inspect``)."""

    name: str
    """Its name in the Compose files."""
    created: datetime


class _ReportLine(_Told):
    check: str
    state: State
    seen: str
    do: str


class _Report(_Told):
    service: str
    checks: list[_ReportLine]


@dataclass(frozen=True)
class HostFacts:
    """Everything that the script has told."""

    stack: str
    production: bool
    """Whether the kit is used with PROD=stag or PROD=true."""
    engine: str
    """Versions; empty when there is none."""
    compose: str
    starts_at_boot: bool | None
    """Whether the machine starts Docker; None when it does not say."""
    expected: tuple[str, ...]
    """Services that kit and Compose files ask for; empty when Compose cannot tell."""
    containers: Mapping[str, Container]
    """By the name of the service."""
    node_image: str
    """What NODE_IMAGE names."""
    images: Mapping[str, Image]
    """By the id; the first is that of NODE_IMAGE, if it is on the machine."""
    volumes: tuple[Volume, ...]
    folders: Mapping[str, tuple[int, int, int]]
    """Bytes in all, used and free of the file systems of the kit's folders."""
    reports: Mapping[str, Mapping[str, Finding]] = field(default_factory=dict)
    """What the services say of themselves, by the name of the service."""


def read_host_facts(text: str) -> HostFacts:
    """Read what the script has written.

    Raises:
        ValueError: it is something else.
    """
    parts = _parts(text)
    try:
        containers = [Container.model_validate_json(line) for line in parts.get("containers", [])]
        images = [Image.model_validate_json(line) for line in parts.get("images", [])]
        return HostFacts(
            stack=_one(parts, "stack"),
            production=_one(parts, "overlay") == "production",
            engine=_one(parts, "engine"),
            compose=_one(parts, "compose"),
            starts_at_boot={"enabled": True, "disabled": False}.get(_one(parts, "boot")),
            expected=tuple(parts.get("expected", [])),
            containers={each.service: each for each in containers},
            node_image=_one(parts, "node-image"),
            images={each.id: each for each in images},
            volumes=tuple(Volume.model_validate_json(line) for line in parts.get("volumes", [])),
            folders=dict(_folders(parts.get("folders", []))),
            reports={
                service: report
                for service in ("agent", "data-access")
                if (report := _report(service, parts.get(service, [])))
            },
        )
    except ValidationError as error:
        raise ValueError(
            f"what the host tells cannot be read: {error.errors()[0]['msg']}; are trust/ and the image of one release?"
        ) from None


def _parts(text: str) -> dict[str, list[str]]:
    parts: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in text.splitlines():
        if line.startswith("# "):
            lines = parts.setdefault(line.removeprefix("# "), [])
        elif line.strip():
            lines.append(line)
    if "engine" not in parts:
        raise ValueError("standard input does not tell of a host: use `make doctor-local-trust`")
    return parts


def _one(parts: Mapping[str, list[str]], name: str) -> str:
    return next(iter(parts.get(name, [])), "").strip()


def _folders(lines: list[str]) -> list[tuple[str, tuple[int, int, int]]]:
    """Read the lines of ``df -Pk`` (POSIX), each behind the folder that was asked for."""
    found = [match for line in lines if (match := _DF.match(line))]
    return [
        (match["path"], (int(match["all"]) * _KIB, int(match["used"]) * _KIB, int(match["free"]) * _KIB))
        for match in found
    ]


def _report(service: str, lines: list[str]) -> dict[str, Finding] | None:
    """A service's own report; None when it has not made one, whatever else it has said."""
    for line in lines:
        try:
            report = TypeAdapter(_Report).validate_json(line)
        except ValidationError:
            continue
        if report.service == service:
            return {each.check: Finding(each.state, each.seen, each.do) for each in report.checks}
    return None
