"""Whom the node believes on outbound TLS: the system's authorities, and the operator's own in addition."""

from __future__ import annotations

import ssl
from pathlib import Path


def tls_context(extra_authorities: Path | None) -> ssl.SSLContext:
    """Build the one TLS context of the process; costs some 15 ms, so it is made once.

    The system's authorities are those OpenSSL is built for, or those that SSL_CERT_FILE and SSL_CERT_DIR name.
    ``extra_authorities`` is a PEM bundle that is trusted on top of them. Certificates and host names are always
    verified. Python's ``VERIFY_X509_STRICT`` is left out on purpose: hospitals' TLS-inspecting proxies sign with
    authorities that lack a key identifier, and FLAME's own service accepts those.

    Raises:
        OSError, ssl.SSLError: the bundle cannot be read.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_default_certs()
    if extra_authorities is not None:
        # A bundle may hold just the intermediate authority that signs in this building.
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        context.load_verify_locations(cafile=extra_authorities)
    return context
