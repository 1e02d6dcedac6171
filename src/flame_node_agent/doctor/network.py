"""The way out: names, proxies, and the FL server's port."""

from __future__ import annotations

import asyncio
import contextlib
import socket

from flame_node_agent.doctor.endpoints import Endpoint, inside, outside, proxy_endpoint, routes
from flame_node_agent.doctor.findings import Finding, failed, ok, skipped
from flame_node_agent.doctor.ground import Ground
from flame_node_agent.doctor.kit_values import kit_value
from flame_node_agent.errors import HubUnavailable
from flame_node_agent.hub.exchange import opened
from flame_node_agent.hub.proxies import ProxyRoutes

CONNECT_SECONDS = 5.0
DEFAULT_FL_PORT = "8002"
PROXY_WANTS_CREDENTIALS = 407


async def check_dns(ground: Ground) -> Finding:
    """Whether every name this node connects to has an address; behind a proxy, the proxy looks names up."""
    known = routes(ground)
    wanted = {endpoint.host: endpoint for endpoint in (*inside(ground), *_first_hops(ground, known))}
    missing = [
        endpoint
        for endpoint, found in zip(wanted.values(), await _resolved(wanted), strict=True)
        if not found
    ]
    if not missing:
        return ok(f"{', '.join(wanted)}: found" if wanted else "no names are needed")
    names = ", ".join(f"{endpoint.host} ({endpoint.what})" for endpoint in missing)
    own = {endpoint.host for endpoint in inside(ground)}
    if all(endpoint.host in own for endpoint in missing):
        do = "a service of the trust has a name only while it runs: `make up-local-trust`; else correct its address"
    else:
        do = "check the spelling, and the name server of this host"
    return failed(f"no address for {names}", do)


def _first_hops(ground: Ground, known: ProxyRoutes) -> list[Endpoint]:
    """Whom this node connects to for everything outside: the proxy, or the server itself."""
    return [
        proxy_endpoint(through) if (through := known.proxy_for(endpoint.url)) else endpoint
        for endpoint in outside(ground)
    ]


async def _resolved(hosts: dict[str, Endpoint]) -> list[bool]:
    async def one(host: str) -> bool:
        try:
            await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            return False
        return True

    return await asyncio.gather(*map(one, hosts))


async def check_proxy(ground: Ground) -> Finding:
    """Whether the proxies that are used accept connections, and let this node through."""
    known = routes(ground)
    through = [(endpoint, url) for endpoint in outside(ground) if (url := known.proxy_for(endpoint.url))]
    if not through:
        return skipped("no proxy is set")
    proxies = list(dict.fromkeys(proxy_endpoint(url) for _, url in through))
    for proxy in proxies:
        if (reason := await _connect(proxy.host, proxy.port)) is not None:
            return failed(
                f"{proxy.host}:{proxy.port}: {reason}",
                "check PROXY__HTTP_URL and PROXY__HTTPS_URL, or HTTPS_PROXY, and whether the proxy runs",
            )
    refusals = await asyncio.gather(*(_refusal_of_proxy(ground, endpoint) for endpoint, _ in through))
    for (endpoint, _), refusal in zip(through, refusals, strict=True):
        if refusal is not None:
            return failed(
                f"the proxy refuses {endpoint.host}: {refusal}",
                "have the host allowed in the proxy; for 407 put user:password@ into the proxy's URL",
            )
    return ok(f"{', '.join(f'{proxy.host}:{proxy.port}' for proxy in proxies)} lets this node through")


async def check_fl_server(ground: Ground) -> Finding:
    """Whether the FL server's port can be connected to, without a word being said."""
    host = kit_value(ground, "FL_SERVER_HOST") or kit_value(ground, "NLB_SUBDOMAIN")
    if not host:
        return skipped("no FL server is named (NLB_SUBDOMAIN of the kit)")
    port = kit_value(ground, "FL_SERVER_PORT") or DEFAULT_FL_PORT
    if not port.isdecimal() or not 0 < int(port) < 65536:
        return failed("FL_SERVER_PORT is no port", "correct it in the kit")
    if (reason := await _connect(host, int(port))) is None:
        return ok(f"{host}:{port} accepts connections")
    return failed(
        f"{host}:{port}: {reason}",
        f"if the public IP of this trust has changed, `make allow-local-trust LOCAL_TRUST_IP=<new ip>`; else have the "
        f"firewall let TCP {port} out",
    )


async def _connect(host: str, port: int) -> str | None:
    """Open a connection and close it; the reason when that is not possible."""
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            _, writer = await asyncio.open_connection(host, port)
    except TimeoutError:
        return "no answer in time"
    except (OSError, UnicodeError) as error:
        return _reason(error)
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return None


def _reason(error: OSError | UnicodeError) -> str:
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    if isinstance(error, socket.gaierror):
        return "no address"
    return (error.strerror if isinstance(error, OSError) else None) or type(error).__name__


async def _ask(ground: Ground, endpoint: Endpoint) -> int:
    """Ask a server, as the agent would, for nothing; the status of its answer. Raises HubUnavailable."""
    client = ground.transport.client(endpoint.url)
    async with opened(client, client.build_request("HEAD", ""), endpoint.what) as response:
        return response.status_code


async def _refusal_of_proxy(ground: Ground, endpoint: Endpoint) -> str | None:
    """Why the proxy does not let this node through; None when it does, whatever the server behind it says."""
    try:
        status = await _ask(ground, endpoint)
    except HubUnavailable as error:
        return str(error) if "ProxyError" in str(error) else None
    return f"status {status}" if status == PROXY_WANTS_CREDENTIALS else None
