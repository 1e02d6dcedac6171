"""The machine: Docker, its disks, and the volumes on them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from flame_node_agent.doctor.containers import FROM_HOST
from flame_node_agent.doctor.findings import Finding, State, failed, ok, skipped
from flame_node_agent.doctor.ground import Ground, Service
from flame_node_agent.doctor.kit_values import kit_value

GIB = 1024**3
LEAST_FREE, MOST_WANTED, FREE_PERCENT = 2 * GIB, 20 * GIB, 5
FOLDERS = ("ORTHANC_STORAGE_DIR", "BASE_IMAGES_DOWNLOAD_DIR", "XNAT_DATA_DIR", "FL_KIT_DIR", "OMOP_DATA_DIR")
"""Variables of the kit that name folders with data."""
VOLUMES = Path("/volumes")
"""Where ``trust/scripts/doctor.sh`` mounts the trust's volumes, to be measured and not to be read."""

ENGINE_AT_LEAST, COMPOSE_AT_LEAST = "20.10", "2.24.0"

PASSWORD_REFUSED = "authentication failed"  # noqa: S105 - PostgreSQL's words for it
DATABASES = (
    ("postgres", "database", "POSTGRES__PASSWORD"),
    ("omop", "omop-role", "DATA_ACCESS_POSTGRES_PASSWORD"),
)
"""Volumes with a database, the check that signs in there, and the password it does that with."""

type Space = tuple[int, int, int]
"""Bytes in all, used and free."""


async def check_engine(ground: Ground) -> Finding:
    """Whether Docker and Compose are new enough for the Compose files."""
    facts = ground.facts
    if facts is None:
        return skipped(FROM_HOST)
    if _older(facts.engine, ENGINE_AT_LEAST):
        return failed(f"Docker {facts.engine} is too old", f"install {ENGINE_AT_LEAST} or newer")
    if not facts.compose:
        return failed(
            "Docker Compose is not installed",
            "install the package docker-compose-plugin (Docker's) or docker-compose-v2 (Ubuntu's)",
        )
    if _older(facts.compose, COMPOSE_AT_LEAST):
        return failed(f"Docker Compose {facts.compose} is too old", f"install {COMPOSE_AT_LEAST} or newer")
    return ok(f"Docker {facts.engine}, Compose {facts.compose}")


def _older(version: str, least: str) -> bool:
    return _numbers(version) < _numbers(least)


def _numbers(version: str) -> list[int]:
    """The numbers that a version begins with: ``v2.24.0-desktop.1`` is 2, 24, 0."""
    match = re.match(r"v?(\d+(?:\.\d+)*)", version)
    return [int(part) for part in match[1].split(".")] if match else []


async def check_disk(ground: Ground) -> Finding:
    """Whether there is room: 5 % of each file system, 2 GiB at least, and never more than 20 GiB are wanted."""
    seen: dict[Space, str] = {}
    for place, space in _spaces(ground):
        seen.setdefault(space, place)
    for (total, _, free), place in seen.items():
        wanted = min(max(LEAST_FREE, total * FREE_PERCENT // 100), MOST_WANTED)
        if free < wanted:
            return failed(
                f"{place} has {free / GIB:.1f} GiB left of {total / GIB:.0f}",
                f"make room for {wanted / GIB:.0f} GiB at least: `docker system df` shows what Docker uses",
            )
    return ok(", ".join(f"{place} has {free / GIB:.0f} GiB left" for (_, _, free), place in seen.items()))


def _spaces(ground: Ground) -> Iterator[tuple[str, Space]]:
    if ground.service is not Service.HOST or ground.facts is None:
        yield "/", ground.disk_usage(Path("/"))
        named = [Path(value) for name in FOLDERS if (value := kit_value(ground, name))]
        yield from ((str(path), ground.disk_usage(path)) for path in named if path.is_dir())
        return
    # The root of any container lies where Docker keeps everything.
    yield "Docker's folder", ground.disk_usage(Path("/"))
    for volume in ground.facts.volumes:
        if (place := VOLUMES / volume.name).is_dir():
            yield f"the volume {volume.name}", ground.disk_usage(place)
    yield from ground.facts.folders.items()


async def check_volumes(ground: Ground) -> Finding:
    """Whether the databases were made with the passwords of this kit; PostgreSQL takes them when it is made, only."""
    facts = ground.facts
    if facts is None:
        return skipped(FROM_HOST)
    if not facts.volumes:
        return skipped("there are no data yet")
    made = {volume.name: volume.created for volume in facts.volumes}
    for name, check, password in DATABASES:
        refused = any(
            report[check].state is State.FAILED and PASSWORD_REFUSED in report[check].seen
            for report in facts.reports.values()
            if check in report
        )
        if name in made and refused and (changed := _changed(ground)) is not None and changed > made[name]:
            return failed(
                f"the volume {name} is of {_day(made[name])}, the kit was changed on {_day(changed)}: its database "
                f"knows another {password}",
                "put the password of that time back into the kit (a former one is in <kit>.previous, or in a backup), "
                "or change it in the database with ALTER ROLE",
            )
    return ok(", ".join(f"{name} of {_day(created)}" for name, created in sorted(made.items())))


def _changed(ground: Ground) -> datetime | None:
    if ground.kit is None or not ground.kit.exists():
        return None
    return datetime.fromtimestamp(ground.kit.stat().st_mtime, UTC)


def _day(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d}"
