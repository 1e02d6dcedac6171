"""What the headers of one multipart part say: the field's name, and for a file its name and content type.

``Content-Disposition`` as clients really write it: backslash-quoted (RFC 9110, section 5.6.4),
percent-encoded for the three characters of the WHATWG form encoding, or with ``filename*`` (RFC 5987;
forbidden by RFC 7578, still sent by old releases of urllib3). Text is UTF-8, or Latin-1 when it is not.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

DEFAULT_CONTENT_TYPE = "application/octet-stream"

_PARAMETER = re.compile(
    r"""\s*;\s*(?P<name>[!#$%&'*+.^_`|~0-9A-Za-z-]+)\s*=\s*
        (?: "(?P<quoted>(?:[^"\\]|\\.)*)"(?=\s*(?:;|$))
          | "(?P<plain>[^"]*)"(?=\s*(?:;|$))
          | (?P<token>[^";\s]*)
        )""",
    re.VERBOSE | re.DOTALL,
)
_QUOTED_PAIR = re.compile(r'\\(["\\])')
_FORM_ENCODED = re.compile("%(22|0D|0A)")
_MEDIA_TYPE = re.compile(r"[!-~][ -~]{0,254}")


@dataclass(frozen=True)
class PartHeaders:
    """One part. ``filename`` is None for a part that is no file, ``name`` when the client gave none."""

    name: str | None
    filename: str | None
    content_type: str


def part_headers(headers: Iterable[tuple[str, str]]) -> PartHeaders:
    """Read the headers of a part; their values are expected as Latin-1, one character a byte."""
    parameters: dict[str, str] = {}
    content_type = DEFAULT_CONTENT_TYPE
    for header, value in headers:
        if header == "Content-Disposition":
            parameters = _parameters(value)
        elif header == "Content-Type" and _MEDIA_TYPE.fullmatch(value):
            # It becomes a header of the object store and of later answers: printable ASCII or nothing.
            content_type = value
    filename = parameters.get("filename")
    if "filename*" in parameters:
        filename = _extended(parameters["filename*"]) or filename
    return PartHeaders(parameters.get("name"), filename, content_type)


def text_of(raw: bytes) -> str:
    """Decode what a client sent as text."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _parameters(value: str) -> dict[str, str]:
    found: dict[str, str] = {}
    position = value.find(";")
    while position >= 0 and (match := _PARAMETER.match(value, position)):
        position = match.end()
        if (quoted := match["quoted"]) is not None:
            content = _form_decoded(_QUOTED_PAIR.sub(r"\1", quoted))
        else:
            content = _form_decoded(match["plain"] if match["plain"] is not None else match["token"])
        found.setdefault(match["name"].lower(), text_of(content.encode("latin-1")))
    return found


def _form_decoded(value: str) -> str:
    return _FORM_ENCODED.sub(lambda match: chr(int(match[1], 16)), value)


def _extended(value: str) -> str | None:
    charset, _, rest = value.partition("'")
    _, quote, encoded = rest.partition("'")
    if not quote or charset.lower() not in {"utf-8", "iso-8859-1"}:
        return None
    return unquote_to_bytes(encoded).decode(charset, errors="replace")
