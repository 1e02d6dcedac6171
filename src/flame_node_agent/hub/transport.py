"""The one way out: time-outs, proxies and trusted authorities, shared by all outbound HTTP of the process."""

from __future__ import annotations

from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any

import httpx
import structlog

from flame_node_agent import __version__
from flame_node_agent.config.shared import SharedSettings
from flame_node_agent.errors import HubCredentialsRefused, HubRefused, HubUnexpected
from flame_node_agent.hub.exchange import exchange
from flame_node_agent.hub.pools import HubConnections, Outside
from flame_node_agent.hub.proxies import proxy_routes
from flame_node_agent.hub.tls import tls_context

log = structlog.get_logger(__name__)


class Transport:
    """Makes the HTTP clients; one per process, because its TLS context takes long to make."""

    def __init__(self, settings: SharedSettings) -> None:
        """Raises SettingsError when the environment names a proxy of a kind that is not supported."""
        self._tls = tls_context(settings.extra_ca_certs)
        self._routes = proxy_routes(settings.proxy)
        for entry in self._routes.exempt.unusable:
            log.warning("proxy.exemption_unusable", entry=entry)
        self._timeout = httpx.Timeout(
            # Reading: also the wait after the last byte of an upload, in which a hub stores the file. Writing: for
            # each piece, not for the file.
            settings.http.read_timeout_seconds,
            connect=settings.http.connect_timeout_seconds,
        )
        self._clients: dict[str, httpx.AsyncClient] = {}

    def client(self, base_url: str) -> httpx.AsyncClient:
        """Give the client for a destination, the same one every time; it keeps its connections for reuse."""
        if base_url not in self._clients:
            self._clients[base_url] = self._make_client(base_url)
        return self._clients[base_url]

    def _make_client(self, base_url: str) -> httpx.AsyncClient:
        direct = HubConnections(self._tls)
        return httpx.AsyncClient(
            base_url=base_url,
            transport=direct,
            mounts={
                pattern: Outside(direct, HubConnections(self._tls, proxy), self._routes)
                for pattern, proxy in self._routes.proxies.items()
            },
            trust_env=False,  # proxy_routes has read what the environment says
            timeout=self._timeout,
            follow_redirects=False,
            headers={
                "User-Agent": f"flame-node-agent/{__version__}",
                "Accept": "*/*",
                "Accept-Encoding": "gzip",
            },
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        )

    async def get_json(self, url: str) -> Any:
        """Fetch a JSON document that needs no credentials, such as an OIDC issuer's signing keys.

        Waits as long as the time-outs allow; a caller in a hurry sets its own.

        Raises:
            HubUnavailable: nobody answered, or "later".
            HubUnexpected: anything but a JSON document.
        """
        address = httpx.URL(url)
        client = self.client(f"{address.scheme}://{address.netloc.decode('ascii')}")
        answer = await exchange(client, client.build_request("GET", address), "oidc")
        try:
            return answer.content()
        except (HubRefused, HubCredentialsRefused) as refusal:
            raise HubUnexpected(answer.status, "no such document") from refusal

    async def aclose(self) -> None:
        """Close all connections, whatever is under way on them."""
        clients, self._clients = self._clients, {}
        for client in clients.values():
            await client.aclose()
