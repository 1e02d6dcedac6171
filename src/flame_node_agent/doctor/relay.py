"""What omop-relay says of the OMOP database elsewhere in the house, as only the relay can see it."""

from __future__ import annotations

import asyncio
import http.client
import json

from flame_node_agent.doctor.findings import Finding, failed
from flame_node_agent.doctor.ground import Ground

SECONDS = 8.0
"""More than the relay itself gives the server."""
_AVAILABLE = 200


async def look_by_relay(ground: Ground, host: str = "omop-relay", port: int = 8000) -> Finding | None:
    """Why the relay cannot reach the server; None without a relay, or when it can."""
    server = ground.environment.get("OMOP_SERVER")
    if not server:
        return None
    try:
        reason = await asyncio.to_thread(_reason, host, port)
    except (OSError, ValueError, http.client.HTTPException) as error:
        return failed(
            f"omop-relay, which leads to {server}, does not answer ({type(error).__name__})",
            "look at its log: make logs-local-trust SERVICE=omop-relay",
        )
    if reason is None:
        return None
    return failed(
        f"omop-relay cannot reach {server}: {reason}",
        "compare OMOP_SERVER with the server's address; let this machine through its firewall and the house's",
    )


def _reason(host: str, port: int) -> str | None:
    connection = http.client.HTTPConnection(host, port, timeout=SECONDS)
    try:
        connection.request("GET", "/readyz")
        answer = connection.getresponse()
        if answer.status == _AVAILABLE:
            return None
        return ", ".join(str(reason) for reason in json.loads(answer.read())["missing"].values())
    except (KeyError, AttributeError, TypeError):
        raise ValueError("no answer of the relay's") from None
    finally:
        connection.close()
