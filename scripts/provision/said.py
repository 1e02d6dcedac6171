"""What is said to the operator, and the one way to stop."""

from __future__ import annotations


class Stop(Exception):
    """Nothing more can be done; the text says why, and what to do."""


def step(text: str) -> None:
    """A step begins."""
    print(f"\n▶ {text}", flush=True)


def done(text: str) -> None:
    """What a step did."""
    print(f"✔ {text}", flush=True)


def left(text: str) -> None:
    """What nothing was done about, and why."""
    print(f"– {text}", flush=True)
