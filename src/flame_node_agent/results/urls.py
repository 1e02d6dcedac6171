"""Addresses in answers: built from the request as the FLAME Node Result Service builds them.

Scheme and Host are those the client used to reach this service, so behind a proxy the proxy's path is
missing. The SDKs know that and use the last path segment only.
"""

from __future__ import annotations

from uuid import UUID

from fastapi import Request


def intermediate_url(request: Request, object_id: UUID) -> str:
    """Where an intermediate result can be fetched."""
    return f"{request.base_url}intermediate/{object_id}"


def local_url(request: Request, object_id: UUID) -> str:
    """Where a local result can be fetched."""
    return f"{request.base_url}local/{object_id}"


def tag_url(request: Request, tag: str) -> str:
    """Where the results under a tag are listed."""
    return f"{request.base_url}local/tags/{tag}"
