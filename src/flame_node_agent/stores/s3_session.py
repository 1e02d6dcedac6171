"""The HTTP connections to the S3 server: time-outs, trusted authorities, and no other host."""

from __future__ import annotations

import ssl
from types import SimpleNamespace
from urllib.parse import urlsplit

import aiohttp

from flame_node_agent.config.settings import Settings

READ_BLOCK = 1024 * 1024


class RedirectRefused(aiohttp.ClientError):
    """The server sends the request, and with it the bytes of a file, to another place."""


def open_session(settings: Settings) -> aiohttp.ClientSession:
    """Make a session; nothing is connected yet. Must be called inside a running event loop."""
    context = ssl.create_default_context()
    if settings.extra_ca_certs is not None:
        context.load_verify_locations(cafile=str(settings.extra_ca_certs))
    tracing = aiohttp.TraceConfig()
    tracing.on_request_redirect.append(_refuse)
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=128, ssl=context, keepalive_timeout=30),
        timeout=aiohttp.ClientTimeout(
            total=None,
            sock_connect=settings.http.connect_timeout_seconds,
            sock_read=settings.http.read_timeout_seconds,
        ),
        read_bufsize=READ_BLOCK,
        auto_decompress=False,
        trust_env=False,
        trace_configs=[tracing],
    )


async def _refuse(
    session: aiohttp.ClientSession, context: SimpleNamespace, redirect: aiohttp.TraceRequestRedirectParams
) -> None:
    """Called before a redirect is followed; the S3 client has no way to say that none shall be."""
    del session, context
    target = redirect.response.headers.get("Location") or redirect.response.headers.get("URI")
    if target is not None:  # else there is nowhere to go, and the body says what is wrong
        raise RedirectRefused(f"the object store redirects to {_host_of(target)}, which is not followed")


def _host_of(target: str) -> str:
    """Host and port alone: the rest may hold a signature."""
    try:
        return urlsplit(target).netloc.rpartition("@")[2] or "another path"
    except ValueError:
        return "no address"
