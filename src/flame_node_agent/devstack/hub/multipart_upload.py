"""Reading the files of a multipart upload as a hub does (busboy with ``preservePath``), without holding them.

Every part with a file name counts, whatever its field name. busboy decodes the ``filename`` parameter as latin-1, so
a name sent as UTF-8 bytes (httpx, browsers) arrives as mojibake, and that is the path the hub stores and shows;
``filename*`` (RFC 5987) is decoded properly and wins. ``%22`` and the like stay as they were sent.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from multipart import MultipartError, MultipartSegment, PushMultipartParser, parse_options_header

from flame_node_agent.devstack.hub.files import FileStore, StoredFile
from flame_node_agent.devstack.hub.records import new_id
from flame_node_agent.devstack.hub.refusals import bad_request

# busboy: MAX_HEADER_SIZE and MAX_HEADER_PAIRS.
_MAX_HEADER_BYTES = 16 * 1024
_MAX_HEADERS = 2000
_WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_PARAMETER = re.compile(rf'[ \t]*;[ \t]*({_WORD})=(?:"((?:\\.|[^"\\\x00-\x08\x0a-\x1f\x7f])*)"|({_WORD}))')
_EXTENDED = re.compile(r"([^']*)'[^']*'(.*)", re.DOTALL)


@dataclass(frozen=True)
class UploadedFile:
    """One file of an upload. ``path`` is what the hub makes of the name, ``meant_path`` what the sender meant."""

    stored: StoredFile
    path: str
    meant_path: str


async def read_upload(
    content_type: str, chunks: AsyncIterator[bytes], store: FileStore
) -> AsyncGenerator[UploadedFile]:
    """Yield each file when its part has ended and it is durable. A 400 for what is no complete multipart body."""
    kind, options = parse_options_header(content_type)
    if not kind.startswith("multipart/"):
        raise bad_request("A multipart content-type header is required.")
    if not options.get("boundary"):
        raise bad_request("Multipart: Boundary not found")
    parser = PushMultipartParser(
        options["boundary"],
        header_charset="latin-1",
        max_header_size=_MAX_HEADER_BYTES,
        max_header_count=_MAX_HEADERS,
    )
    incoming = None
    names = ("", "")
    try:
        async for chunk in chunks:
            for event in parser.parse(chunk) if chunk else ():
                if isinstance(event, MultipartSegment):
                    names = file_names(event["Content-Disposition"])
                    incoming = store.receive(new_id()) if names[0] else None
                elif incoming is None:
                    continue
                elif event is None:
                    finished, incoming = await incoming.finish(), None
                    yield UploadedFile(finished, *names)
                else:
                    await incoming.write(event)
        parser.close()
    except MultipartError as error:
        raise bad_request(f"Unexpected end of form: {error}") from error
    finally:
        if incoming is not None:
            await incoming.abandon()


def file_names(disposition: str) -> tuple[str, str]:
    """The file name in a ``Content-Disposition`` header that was decoded as latin-1: (as busboy reads it, as meant).

    Empty if the part is no file, or if the header is malformed, in which case busboy skips the part.
    """
    position = disposition.find(";")
    if position < 0 or disposition[:position].strip().lower() != "form-data":
        return "", ""
    parameters: dict[str, str] = {}
    while position < len(disposition.rstrip(" \t")):
        match = _PARAMETER.match(disposition, position)
        if match is None:
            return "", ""
        name, quoted, token = match.groups()
        value = re.sub(r'\\([\\"])', r"\1", quoted) if quoted is not None else token
        parameters.setdefault(name.lower(), value)
        position = match.end()
    if extended := _extended(parameters.get("filename*", "")):
        return extended, extended
    name = parameters.get("filename", "")
    return name, _as_utf8(name)


def _extended(value: str) -> str:
    match = _EXTENDED.fullmatch(value)
    if match is None:
        return ""
    try:
        return unquote_to_bytes(match[2]).decode(match[1] or "utf-8")
    except (LookupError, UnicodeDecodeError):
        return ""


def _as_utf8(name: str) -> str:
    try:
        return name.encode("latin-1").decode()
    except UnicodeDecodeError:
        return name
