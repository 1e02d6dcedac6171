"""httpx transports over connections that listen while they send, directly or through a forward proxy."""

from __future__ import annotations

import ssl

import anyio
import httpcore
import httpx

from flame_node_agent.hub.duplex import ListeningBackend
from flame_node_agent.hub.proxies import ProxyRoutes

LIMITS = httpx.Limits(
    max_connections=100,
    max_keepalive_connections=100,  # httpcore 1.0 counts busy ones as well
    # Node.js, which the hub runs on, hangs up idle connections after 5 s. Whoever reuses one in that very moment loses
    # the request, so they are given up before.
    keepalive_expiry=4.0,
)


class HubConnections(httpx.AsyncHTTPTransport):
    """HTTP/1.1 connections to anywhere, or to anywhere through one proxy."""

    def __init__(self, tls: ssl.SSLContext, proxy_url: str | None = None) -> None:
        proxy = httpx.Proxy(proxy_url) if proxy_url is not None else None
        super().__init__(verify=tls, limits=LIMITS, proxy=proxy, trust_env=False)
        # httpx has no parameter for the network backend, so its pool is replaced by one that has ours.
        self._pool = _direct(tls) if proxy is None else _through(proxy, tls)


class Outside(httpx.AsyncBaseTransport):
    """The way through a proxy, but for the servers of the node's own network and those that NO_PROXY exempts."""

    def __init__(self, direct: HubConnections, proxied: HubConnections, routes: ProxyRoutes) -> None:
        self._direct = direct
        self._proxied = proxied
        self._routes = routes

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        way = self._direct if self._routes.goes_directly(request.url) else self._proxied
        return await way.handle_async_request(request)

    async def aclose(self) -> None:
        await self._proxied.aclose()


def _direct(tls: ssl.SSLContext) -> httpcore.AsyncConnectionPool:
    return httpcore.AsyncConnectionPool(
        ssl_context=tls,
        max_connections=LIMITS.max_connections,
        max_keepalive_connections=LIMITS.max_keepalive_connections,
        keepalive_expiry=LIMITS.keepalive_expiry,
        network_backend=ListeningBackend(),
    )


def _through(proxy: httpx.Proxy, tls: ssl.SSLContext) -> httpcore.AsyncHTTPProxy:
    return _ProxiedPool(
        proxy_url=httpcore.URL(
            scheme=proxy.url.raw_scheme,
            host=proxy.url.raw_host,
            port=proxy.url.port,
            target=proxy.url.raw_path,
        ),
        proxy_auth=proxy.raw_auth,
        ssl_context=tls,
        proxy_ssl_context=tls if proxy.url.scheme == "https" else None,
        max_connections=LIMITS.max_connections,
        max_keepalive_connections=LIMITS.max_keepalive_connections,
        keepalive_expiry=LIMITS.keepalive_expiry,
        network_backend=ListeningBackend(),
    )


class _ProxiedPool(httpcore.AsyncHTTPProxy):
    """A pool that forgets tunnels that never came to be."""

    def create_connection(self, origin: httpcore.Origin) -> httpcore.AsyncConnectionInterface:
        return _ClosedOnFailure(super().create_connection(origin))


class _ClosedOnFailure(httpcore.AsyncConnectionInterface):
    """Closes a connection whose request failed.

    httpcore does that itself, except for a tunnel whose TLS handshake fails or is cancelled after CONNECT: that one
    would count as busy for ever, and a hub whose certificate has run out would use up the pool within minutes.
    """

    def __init__(self, inner: httpcore.AsyncConnectionInterface) -> None:
        self._inner = inner

    async def handle_async_request(self, request: httpcore.Request) -> httpcore.Response:
        try:
            return await self._inner.handle_async_request(request)
        except httpcore.ConnectionNotAvailable:
            raise  # busy with another request; the pool will look for another connection
        except BaseException:
            with anyio.CancelScope(shield=True):
                await self._inner.aclose()
            raise

    async def aclose(self) -> None:
        await self._inner.aclose()

    def info(self) -> str:
        return self._inner.info()

    def can_handle_request(self, origin: httpcore.Origin) -> bool:
        return self._inner.can_handle_request(origin)

    def is_available(self) -> bool:
        return self._inner.is_available()

    def has_expired(self) -> bool:
        return self._inner.has_expired()

    def is_idle(self) -> bool:
        return self._inner.is_idle()

    def is_closed(self) -> bool:
        return self._inner.is_closed()
