"""What a check says: one line of what was seen, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """How it is."""

    OK = "ok"
    FAILED = "failed"
    SKIPPED = "skipped"


MARKS = {State.OK: "✔", State.FAILED: "✘", State.SKIPPED: "–"}


@dataclass(frozen=True)
class Finding:
    """The outcome of one check."""

    state: State
    seen: str
    do: str = ""
    """What the operator can do; nothing where all is well."""


def ok(seen: str) -> Finding:
    """All is well."""
    return Finding(State.OK, seen)


def warned(seen: str, do: str) -> Finding:
    """All is well today, and will not be for long, or not in all respects."""
    return Finding(State.OK, seen, do)


def failed(seen: str, do: str) -> Finding:
    """Something is wrong."""
    return Finding(State.FAILED, seen, do)


def skipped(why: str) -> Finding:
    """It cannot be seen from here, or there is nothing of the kind."""
    return Finding(State.SKIPPED, why)
