"""How Docker Compose reads an env file, after compose-go's ``dotenv`` package (``parser.go``), for one line a variable.

Compose itself needs a Docker engine's command line, which is not at hand wherever these tests run.
"""

from __future__ import annotations

import re

_ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


def read_as_compose(text: str) -> dict[str, str]:
    """Read ``NAME=value`` lines; every ``$NAME`` that is replaced becomes nothing, as none is set."""
    found = {}
    for line in text.split("\n"):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, _, rest = line.partition("=")
        found[name.strip()] = _value(rest.lstrip())
    return found


def _value(rest: str) -> str:
    if rest[:1] not in {"'", '"'}:
        return _expanded(re.split(r"\s#", rest)[0].rstrip())
    quote, taken, escaped = rest[0], [], False
    for character in rest[1:]:
        if character == quote and not escaped:
            break
        if character != quote and not escaped and character == "\\":
            escaped = True
            continue
        if character != quote and escaped:
            taken.append("\\")
        escaped = False
        taken.append(character)
    value = "".join(taken)
    if quote == "'":
        return value
    unescaped = re.sub(r"\\([abcfnrtv$\"\\])", lambda match: _ESCAPES.get(match[1], match[1]), value)
    return _expanded(unescaped)


def _expanded(value: str) -> str:
    return re.sub(r"\$(\w+|\{[^}]*\})", "", value)
