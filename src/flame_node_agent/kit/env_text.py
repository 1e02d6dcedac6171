"""The text of an env file, changed in place: order, comments and lines of others stay as they are.

It is read by python-dotenv, as the services read it, and values are written so that Docker Compose's ``env_file`` reads
the same: Compose replaces ``$NAME`` outside of single quotes, python-dotenv replaces ``${NAME}`` everywhere, and they
differ in backslashes.
"""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Iterator, Mapping

from dotenv.parser import Binding, parse_stream

_PLAIN = re.compile(r"[A-Za-z0-9_./:@%+,=-]*")
_ASSIGNMENT = re.compile(
    r"""
    (?P<head> \s* (?:export[^\S\r\n]+)? [^=\#\s]+ [^\S\r\n]* = [^\S\r\n]*)
    (?P<value> '(?:\\.|[^'\\])*' | "(?:\\.|[^"\\])*" | (?! (?<=[^\S\r\n]) \# ) [^\r\n]*? )
    (?P<tail> (?:[^\S\r\n]+\#[^\r\n]*)? [^\S\r\n]* (?:\r\n|\n|\r|) )
    """,
    re.VERBOSE | re.DOTALL,
)


def quoted(value: str) -> str:
    """Write a value so that Compose and python-dotenv both read it as it is.

    Raises:
        ValueError: there is no such way; the reason does not repeat the value.
    """
    if any(ord(character) < 32 for character in value):
        raise ValueError("holds a line break or another control character")
    if _PLAIN.fullmatch(value):
        return value
    if "'" not in value and "\\" not in value and "${" not in value:
        return f"'{value}'"
    if "$" not in value:
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    raise ValueError("holds a $ beside quotes, braces or backslashes, which Compose reads in another way")


class EnvText:
    """One env file in memory."""

    def __init__(self, text: str = "") -> None:
        self._bindings = list(parse_stream(io.StringIO(text, newline="")))

    def __str__(self) -> str:
        return "".join(binding.original.string for binding in self._bindings)

    @property
    def values(self) -> Mapping[str, str]:
        """What is given; of a name that is given twice, the last counts, in Compose as well."""
        return {
            binding.key: binding.value
            for binding in self._bindings
            if binding.key is not None and binding.value is not None
        }

    def given_twice(self) -> list[str]:
        """Names that are given more than once."""
        counted = Counter(binding.key for binding in self._bindings if binding.key is not None)
        return [name for name, times in counted.items() if times > 1]

    def unreadable_lines(self) -> list[int]:
        """Numbers of the lines that are neither comments nor variables."""
        return [binding.original.line for binding in self._bindings if binding.error]

    def read_differently(self) -> list[str]:
        """Names whose values Compose and the services of the node may read in different ways."""
        return [name for name, written, behind in self._written() if _is_doubtful(written, behind)]

    def put(self, name: str, value: str) -> bool:
        """Replace the value of a variable in its place; False when the file does not have it.

        Raises:
            ValueError: the value cannot be written.
        """
        written = quoted(value)
        for index in reversed(range(len(self._bindings))):
            if self._bindings[index].key == name:
                self._bindings[index] = _replaced(self._bindings[index], name, written)
                return True
        return False

    def insert(self, name: str, value: str, *, after: tuple[str, ...], heading: str) -> None:
        """Add a variable behind the last of ``after`` that is there, else below ``heading``, which is added if need be.

        Raises:
            ValueError: the value cannot be written.
        """
        line = f"{name}={quoted(value)}\n"
        neighbours = [index for index, binding in enumerate(self._bindings) if binding.key in after]
        if not neighbours:
            neighbours = [
                index
                for index, binding in enumerate(self._bindings)
                if binding.key is None and heading in binding.original.string.splitlines()
            ]
        if not neighbours:
            line = f"\n{heading}\n{line}" if str(self).strip() else f"{heading}\n{line}"
        self._insert_behind(neighbours[-1] if neighbours else len(self._bindings) - 1, line)

    def drop(self, name: str) -> None:
        """Take a variable out; its comments stay."""
        self._bindings = [binding for binding in self._bindings if binding.key != name]

    def _insert_behind(self, index: int, line: str) -> None:
        before = "".join(binding.original.string for binding in self._bindings[: index + 1])
        behind = "".join(binding.original.string for binding in self._bindings[index + 1 :])
        if before and not before.endswith(("\n", "\r")):
            before += "\n"
        self._bindings = list(parse_stream(io.StringIO(before + line + behind, newline="")))

    def _written(self) -> Iterator[tuple[str, str, str]]:
        """Names, their values with the quotes around them, and what stands behind."""
        for binding in self._bindings:
            if binding.key is not None and (match := _ASSIGNMENT.fullmatch(binding.original.string)):
                yield binding.key, match["value"], match["tail"]


def _replaced(binding: Binding, name: str, written: str) -> Binding:
    match = _ASSIGNMENT.fullmatch(binding.original.string)
    # A name without "=" takes its value from elsewhere; the whole line gives way.
    text = f"{match['head']}{written}{match['tail']}" if match else f"\n{name}={written}\n"
    (replaced,) = [each for each in parse_stream(io.StringIO(text, newline="")) if each.key == name]
    return replaced


def _is_doubtful(written: str, behind: str) -> bool:
    if not written:
        return "#" in behind  # for Compose, a comment behind nothing is the value
    if written.startswith("'"):
        return "${" in written or "\\\\" in written
    return "$" in written
