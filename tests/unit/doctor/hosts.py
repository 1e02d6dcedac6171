"""What ``trust/scripts/doctor.sh`` tells of a healthy host, in the form of a real Docker 26, to be changed by tests."""

from __future__ import annotations

import json
from typing import Any

from flame_node_agent.doctor.checks import CHECKS
from flame_node_agent.doctor.ground import Service

NODE_ID = "sha256:" + "a" * 64
OTHER_ID = "sha256:" + "b" * 64
SERVICES = ("trust-api", "data-access-api", "postgres", "minio", "omop-db")


def container(service: str, **changes: Any) -> dict[str, Any]:
    """One running and healthy container of the stack."""
    node = service in {"trust-api", "data-access-api", "bucket", "objects-owner"}
    return {
        "service": service,
        "image": NODE_ID if node else "sha256:" + "c" * 64,
        "status": "running",
        "exit_code": 0,
        "out_of_memory": False,
        "health": "healthy",
        "restart": "always",
        "network": "trust-local_internal",
        "ports": {"8000/tcp": None},
    } | changes


def ended_job(service: str, exit_code: int = 0) -> dict[str, Any]:
    return container(service, status="exited", health="", restart="no", exit_code=exit_code)


def report(service: Service, **states: tuple[str, str, str]) -> str:
    """A service's own report in JSON, well but for ``states``: check (with _ for -) to state, seen and do."""
    checks = [
        dict(
            zip(
                ("of", "check", "state", "seen", "do"),
                (service, each.name, *states.get(each.name.replace("-", "_"), ("ok", "fine", ""))),
                strict=True,
            )
        )
        for each in CHECKS
        if service in each.services
    ]
    return json.dumps({"service": service, "well": True, "checks": checks})


def told(*containers: dict[str, Any], **parts: str | list[str]) -> str:
    """The script's text, with other containers and parts (with _ for -) than those of a healthy host."""
    jobs = [ended_job("bucket"), ended_job("objects-owner")]
    shown = list(containers) or [*(container(name) for name in SERVICES), *jobs]
    image = {"version": "0.1.0", "revision": "0123456789abcdef"}
    whole: dict[str, str | list[str]] = {
        "engine": "26.1.5",
        "compose": "2.26.1",
        "boot": "enabled",
        "stack": "trust-local",
        "overlay": "production",
        "expected": [*SERVICES, "bucket", "objects-owner"],
        "containers": [json.dumps(each) for each in shown],
        "node_image": "flame-node-agent:latest",
        "images": [json.dumps({"id": NODE_ID} | image)],
        "volumes": [
            json.dumps({"name": name, "created": "2026-11-20T10:00:00+01:00"})
            for name in ("postgres", "omop")
        ],
        "folders": [],
        "agent": report(Service.AGENT),
        "data_access": report(Service.DATA_ACCESS),
    } | parts
    return "\n".join(
        line
        for name, lines in whole.items()
        for line in (f"# {name.replace('_', '-')}", *([lines] if isinstance(lines, str) else lines))
    )
