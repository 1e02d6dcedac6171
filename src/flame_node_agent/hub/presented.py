"""The certificate that a server shows, believed or not: to say who signs in this building."""

from __future__ import annotations

import contextlib
import ssl
from typing import Any

import httpx
from cryptography import x509

from flame_node_agent.hub.pools import HubConnections


class _Seen(Exception):
    """Ends the request before it is sent."""


async def presented_certificate(url: str, proxy: str | None) -> x509.Certificate | None:
    """Make the TLS handshake with the server of ``url`` and hang up; None when there is no certificate to be seen.

    This is the one place where a certificate is not verified, which is why not one byte of a request is sent.
    """
    if proxy is not None and proxy.startswith("https:"):
        return None  # the first certificate would be the proxy's own
    shown: list[bytes] = []

    async def look(event: str, details: dict[str, Any]) -> None:
        if event.endswith(".start_tls.complete"):
            stream = details["return_value"]
            shown.append(stream.get_extra_info("ssl_object").getpeercert(binary_form=True))
            await stream.aclose()
            raise _Seen

    async with httpx.AsyncClient(transport=HubConnections(_unverified(), proxy), trust_env=False) as client:
        with contextlib.suppress(_Seen, httpx.HTTPError):
            await client.head(url, extensions={"trace": look})
    with contextlib.suppress(ValueError):
        return x509.load_der_x509_certificate(shown[0]) if shown else None
    return None


def _unverified() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
