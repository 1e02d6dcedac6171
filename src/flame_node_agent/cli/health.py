"""``flame-node health``: for a container's HEALTHCHECK. Small and quick, as it is started every few seconds."""

from __future__ import annotations

import http.client
import os
from enum import StrEnum
from typing import Annotated

import typer

SECONDS = 3.0
UNHEALTHY = 1
_DEFAULT_PORT = 8000
_ANY = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - where to find who listens on all


class Service(StrEnum):
    """The services of the node."""

    AGENT = "agent"
    DATA_ACCESS = "data-access"
    RELAY = "relay"


_ROUTES = {Service.AGENT: "/healthz", Service.DATA_ACCESS: "/health", Service.RELAY: "/health"}


def command(
    service: Annotated[Service, typer.Option(help="Which service runs here.")] = Service.AGENT,
) -> None:
    """Ask the service in this container whether it is alive, and say it in one line.

    It is found at LISTEN__HOST and the first of LISTEN__PORTS, of the environment. Exit code 1 when it is not healthy,
    or says nothing within three seconds.
    """
    host, port = _address()
    try:
        status = _status(host, port, _ROUTES[service])
    except (OSError, http.client.HTTPException) as error:
        typer.echo(f"{service}: no answer on port {port} ({type(error).__name__})")
        raise typer.Exit(UNHEALTHY) from None
    typer.echo(f"{service}: {'healthy' if status == http.client.OK else f'answers {status}'}")
    if status != http.client.OK:
        raise typer.Exit(UNHEALTHY)


def _address() -> tuple[str, int]:
    # Not by the settings: loading them would take longer than the question, and wrong ones have stopped the start.
    host = os.environ.get("LISTEN__HOST", "")
    first = os.environ.get("LISTEN__PORTS", "").partition(",")[0].strip()
    return _ANY.get(host, host), int(first) if first.isdecimal() else _DEFAULT_PORT


def _status(host: str, port: int, path: str) -> int:
    connection = http.client.HTTPConnection(host, port, timeout=SECONDS)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    finally:
        connection.close()
