"""Under which names a file is offered to the hub.

The first choice is the analysis' own name. A name that the hub could not keep is shortened: hubs store a path in 512
characters, its last part and the link to the analysis in 256, and read each byte of a UTF-8 name as a character.
(FLAME hub, migrations of server-storage and server-core)
"""

from __future__ import annotations

from pathlib import PurePosixPath

from flame_node_agent.stores.uploads import Upload

LONGEST_NAME = 240  # bytes; leaves room for what the hub makes of quotes and line breaks
LONGEST_SUFFIX = 16


def hub_names(upload: Upload) -> list[str]:
    """The names to try, in order: the one begun with, the analysis' own, and two that only this upload has."""
    short, full = upload.upload_id.hex[:8], upload.upload_id.hex
    names = [upload.filename, marked(upload.filename, short), marked(upload.filename, full)]
    if _length(upload.filename) > LONGEST_NAME:
        names.pop(0)
    if upload.hub_path is not None:
        names.insert(0, upload.hub_path)
    return list(dict.fromkeys(names))


def marked(filename: str, mark: str) -> str:
    """``filename`` with ``-mark`` before its suffix, cut to what a hub can keep."""
    suffix = PurePosixPath(filename).suffix
    if _length(suffix) > LONGEST_SUFFIX:
        suffix = ""
    stem = filename.removesuffix(suffix)
    room = LONGEST_NAME - _length(f"-{mark}{suffix}")
    while _length(stem) > room:
        stem = stem[: min(len(stem) - 1, room)]
    return f"{stem}-{mark}{suffix}"


def _length(text: str) -> int:
    """Bytes on the wire, where quotes and line breaks become three each and backslashes two."""
    return len(text.encode("utf-8", "surrogatepass")) + sum(2 * (c in '"\r\n') + (c == "\\") for c in text)
