"""Where this node connects to: each address once, and whether a proxy is between."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from flame_node_agent.doctor.ground import Ground
from flame_node_agent.hub.proxies import ProxyRoutes, proxy_routes

_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Endpoint:
    """One server of whose name or certificate something can be said."""

    what: str
    host: str
    port: int
    url: str = ""
    """For servers outside of the trust: the address that is asked."""

    @property
    def is_tls(self) -> bool:
        """Whether it is spoken to over TLS."""
        return self.url.startswith("https:")


def outside(ground: Ground) -> list[Endpoint]:
    """The servers outside of the trust, and the issuer: they are reached through the proxy if there is one."""
    return _distinct(_outside(ground))


def inside(ground: Ground) -> list[Endpoint]:
    """The servers of the trust itself: never behind a proxy. A database on a Unix socket is none."""
    return _distinct(_inside(ground))


def routes(ground: Ground) -> ProxyRoutes:
    """The agent's proxies; raises SettingsError for one that is not supported."""
    return proxy_routes(ground.outbound.proxy) if ground.outbound is not None else ProxyRoutes()


def proxy_endpoint(proxy: str) -> Endpoint:
    """A proxy's own address, without the credentials that may be in it."""
    parts = urlsplit(proxy)
    return Endpoint("proxy", parts.hostname or "", parts.port or _PORTS[parts.scheme])


def _outside(ground: Ground) -> Iterator[Endpoint]:
    if ground.tasks is not None:
        yield _at("the hub", ground.tasks.hub_api)
    if ground.results is not None:
        hub = ground.results.hub
        yield _at("FLAME core", str(hub.core_base_url))
        yield _at("FLAME storage", str(hub.storage_base_url))
        yield _at("FLAME auth", str(hub.auth_base_url))
        yield _at("OIDC issuer", str(ground.results.oidc.certs_url))


def _inside(ground: Ground) -> Iterator[Endpoint]:
    if ground.shared is not None and not ground.shared.postgres.host.startswith("/"):
        yield Endpoint("database", ground.shared.postgres.host, ground.shared.postgres.port)
    if ground.results is not None:
        store = ground.results.minio
        scheme = "https" if store.use_ssl else "http"
        parts = urlsplit(f"{scheme}://{store.endpoint}")
        yield Endpoint("object store", parts.hostname or "", parts.port or _PORTS[scheme])
    if ground.tasks is not None:
        parts = urlsplit(str(ground.tasks.data_access_api_url))
        yield Endpoint("data-access-api", parts.hostname or "", parts.port or _PORTS[parts.scheme])
    if ground.data_access is not None and not ground.data_access.omop_db_service_name.startswith("/"):
        yield Endpoint(
            "OMOP database", ground.data_access.omop_db_service_name, ground.data_access.omop_db_port
        )


def _at(what: str, url: str) -> Endpoint:
    parts = urlsplit(url)
    return Endpoint(what, parts.hostname or "", parts.port or _PORTS[parts.scheme], url)


def _distinct(endpoints: Iterator[Endpoint]) -> list[Endpoint]:
    found: dict[tuple[str, int, bool], Endpoint] = {}
    for endpoint in endpoints:
        found.setdefault((endpoint.host, endpoint.port, endpoint.is_tls), endpoint)
    return list(found.values())
