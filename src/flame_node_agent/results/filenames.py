"""Names of uploaded files. They are data: kept and handed on as they came, never part of a path or key."""

from __future__ import annotations

from flame_node_agent.errors import Refused

MAX_BYTES = 4096
"""Longest name in bytes of UTF-8. PostgreSQL and the hub would take more; no file system does."""

UNNAMED = "data.bin"
"""Name of a file that came without one (as in the FLAME Node Result Service)."""


def accepted(filename: str) -> str:
    """Give the name a file is stored under.

    Raises:
        Refused: 400 for a name that is too long, or that PostgreSQL cannot store (NUL).
    """
    if "\x00" in filename:
        raise Refused(400, "The file name must not contain NUL characters")
    if len(filename.encode(errors="replace")) > MAX_BYTES:
        raise Refused(400, f"The file name is longer than {MAX_BYTES} bytes")
    return filename or UNNAMED
