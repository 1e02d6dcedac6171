"""Which steps of a long run are done, so that a second run goes on where the first one stopped."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from provision.said import left, step


class Progress:
    """The steps done, in a file; it is gone when the run has come to its end."""

    def __init__(self, path: Path, inputs: dict[str, str]) -> None:
        """Go on with the run that ``path`` tells of, unless that had other inputs."""
        self._path = path
        self._inputs = inputs
        self._done: list[str] = []
        try:
            known = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return
        if known.get("inputs") == inputs:
            self._done = list(known.get("done", []))

    def take(self, name: str, text: str, act: Callable[[], None]) -> None:
        """Do a step, unless it was done before; a step that raises counts as not done."""
        step(text)
        if name in self._done:
            left(f"Done in an earlier run, which stopped later on. To do it again, remove {self._path}.")
            return
        act()
        self._done.append(name)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self._path.with_suffix(".new")
        fresh.write_text(
            json.dumps({"inputs": self._inputs, "done": self._done}, indent=1) + "\n", encoding="utf-8"
        )
        fresh.replace(self._path)

    def finish(self) -> None:
        """All steps are done: the next run starts from the beginning."""
        self._path.unlink(missing_ok=True)
