"""Who may call the admin API: the machine itself."""

from __future__ import annotations

import ipaddress

from fastapi import Request

from flame_node_agent.devstack.hub.refusals import Refusal


async def local_only(request: Request) -> None:
    """Dependency: 403 for every address but the loopback interface's."""
    host = request.client.host if request.client else ""
    if not ipaddress.ip_address(host or "0.0.0.0").is_loopback:
        raise Refusal(403, "The admin API answers to the loopback interface only.")
