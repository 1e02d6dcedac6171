"""Tokens of SQL, and the complaint about text that has none."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """What a token is."""

    WORD = "word"
    NAME = "quoted identifier"
    TEXT = "string"
    NUMBER = "number"
    OPERATOR = "operator"
    MARK = "mark"


@dataclass(frozen=True)
class Token:
    """One token, as written, and the offset at which it starts."""

    kind: Kind
    text: str
    start: int


class Unreadable(Exception):
    """The text holds something that is not accepted in any place. The reason never quotes the text."""

    def __init__(self, reason: str, text: str, offset: int) -> None:
        line = text.count("\n", 0, offset) + 1
        column = offset - (text.rfind("\n", 0, offset) + 1) + 1
        super().__init__(f"{reason} at line {line}, column {column}")
