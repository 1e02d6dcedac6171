"""Which loops of this agent have ended although nobody has stopped them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Liveness:
    """Knows for every loop how to see whether it is alive."""

    def __init__(self) -> None:
        self._vital_signs: dict[str, Callable[[], bool]] = {}

    def watch(self, name: str, alive: Callable[[], bool]) -> None:
        """Ask ``alive`` whenever somebody wants to know."""
        self._vital_signs[name] = alive

    def watch_task(self, name: str, task: asyncio.Task[None]) -> None:
        """Watch a loop that runs for ever: it is dead once it has returned or raised, unless it was cancelled."""
        self.watch(name, lambda: not task.done() or task.cancelled())

    def dead(self) -> list[str]:
        """Name the dead, in alphabetical order."""
        return sorted(name for name, alive in self._vital_signs.items() if not alive())
