"""The machine: its disks, and whether it publishes any port of this node."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

from flame_node_agent.doctor.findings import Finding, failed, ok, skipped
from flame_node_agent.doctor.ground import Ground
from flame_node_agent.doctor.kit_values import kit_value

GIB = 1024**3
LEAST_FREE, MOST_WANTED, FREE_PERCENT = 2 * GIB, 20 * GIB, 5
FOLDERS = ("ORTHANC_STORAGE_DIR", "BASE_IMAGES_DOWNLOAD_DIR", "XNAT_DATA_DIR", "FL_KIT_DIR", "OMOP_DATA_DIR")
"""Variables of the kit that name folders with data."""

CONTAINER = "trust-api"
LOOPBACK = ("127.", "::1")
PROJECT_LABEL = "com.docker.compose.project"


async def check_disk(ground: Ground) -> Finding:
    """Whether there is room: 5 % of each file system, 2 GiB at least, and never more than 20 GiB are wanted."""
    named = [Path(value) for name in FOLDERS if (value := kit_value(ground, name))]
    seen: dict[tuple[int, int, int], Path] = {}
    for path in (Path("/"), *(each for each in named if each.is_dir())):
        seen.setdefault(ground.disk_usage(path), path)
    for (total, _, free), path in seen.items():
        wanted = min(max(LEAST_FREE, total * FREE_PERCENT // 100), MOST_WANTED)
        if free < wanted:
            return failed(
                f"{path} has {free / GIB:.1f} GiB left of {total / GIB:.0f}",
                f"make room for {wanted / GIB:.0f} GiB at least: `docker system df` shows what Docker uses",
            )
    return ok(", ".join(f"{path} has {free / GIB:.0f} GiB left" for (_, _, free), path in seen.items()))


async def check_published(ground: Ground) -> Finding:
    """Whether a container of this node can be reached from outside; only the host's Docker can tell.

    Ports at the loopback address are for development, and nobody else's to reach.
    """
    docker = shutil.which("docker", path=ground.environment.get("PATH"))
    if docker is None:
        return skipped("cannot be seen from here: `make doctor-local-trust` looks from the host")
    name = kit_value(ground, "TRUST_API_CONTAINER") or CONTAINER
    inspected = await _docker(docker, "inspect", "--type", "container", name)
    if inspected is None:
        return skipped(f"Docker does not tell here, or has no container {name}")
    project = (inspected[0].get("Config", {}).get("Labels") or {}).get(PROJECT_LABEL)
    if project is None:
        containers = inspected
    else:
        ids = await _docker_lines(docker, "ps", "--quiet", "--filter", f"label={PROJECT_LABEL}={project}")
        containers = await _docker(docker, "inspect", "--type", "container", *ids) or inspected
    published = [port for container in containers for port in _ports(container)]
    if not published:
        return ok(f"none of {len(containers)} containers publishes a port to the network")
    return failed(
        f"published on the host: {', '.join(published)}",
        "take `ports:` out of the Compose files; a trust needs no inbound connection",
    )


async def _docker(docker: str, *arguments: str) -> list[dict[str, Any]] | None:
    said = await _run(docker, *arguments)
    try:
        found = json.loads(said) if said is not None else None
    except ValueError:
        return None
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) and found else None


async def _docker_lines(docker: str, *arguments: str) -> list[str]:
    return (await _run(docker, *arguments) or "").split()


async def _run(docker: str, *arguments: str) -> str | None:
    """Run Docker's own command; None when it cannot, as without a socket."""
    try:
        process = await asyncio.create_subprocess_exec(
            docker,
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
    except OSError:
        return None
    try:
        output, _ = await process.communicate()
    except asyncio.CancelledError:
        process.kill()
        raise
    return output.decode("utf-8", "replace") if process.returncode == 0 else None


def _ports(container: dict[str, Any]) -> list[str]:
    name = str(container.get("Name", "?")).removeprefix("/")
    bound = (container.get("NetworkSettings") or {}).get("Ports") or {}
    return [
        f"{name} {port} at {binding.get('HostIp') or '*'}:{binding.get('HostPort')}"
        for port, bindings in bound.items()
        for binding in bindings or ()
        if not str(binding.get("HostIp")).startswith(LOOPBACK)
    ]
