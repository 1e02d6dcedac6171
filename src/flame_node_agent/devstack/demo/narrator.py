"""How the demonstration speaks: headings, sentences and progress bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.padding import Padding
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TransferSpeedColumn,
)
from rich.table import Table
from rich.text import Text

MEBIBYTE = 1 << 20
_PLAIN_WIDTH = 110

type Advance = Callable[[int], None]


class Narrator:
    """Writes to standard output; every sentence is one line where there is no terminal."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(
            highlight=False, width=None if sys.stdout.isatty() else _PLAIN_WIDTH
        )
        self._chapter = 0

    def title(self, text: str) -> None:
        self._say(text, "bold")

    def chapter(self, text: str) -> None:
        """A numbered heading."""
        self._chapter += 1
        self.console.print()
        self._say(f"{self._chapter}. {text}", "bold cyan")

    def explain(self, text: str) -> None:
        """What the product promises here."""
        self._say(text, "italic", indent=3)

    def did(self, text: str) -> None:
        """Something that has just happened."""
        self._say(f"- {text}", indent=3)

    def broke(self, text: str) -> None:
        """Something that has just been broken on purpose."""
        self._say(f"x {text}", "bold red", indent=3)

    def show(self, table: Table) -> None:
        """A table; never cut, however narrow the terminal."""
        self.console.print(table, soft_wrap=True)

    @contextlib.contextmanager
    def transfer(self, what: str, size: int) -> Iterator[Advance]:
        """A progress bar over ``size`` bytes, while there is a terminal; gone afterwards."""
        columns = (
            TextColumn("     {task.description}"),
            BarColumn(),
            DownloadColumn(binary_units=True),
            TransferSpeedColumn(),
        )
        with self._progress(*columns) as progress:
            task = progress.add_task(what, total=size)
            yield lambda count: progress.advance(task, count)

    @contextlib.contextmanager
    def waiting(self, what: str) -> Iterator[None]:
        """A spinner with the time that has passed, while there is a terminal; gone afterwards."""
        columns = (TextColumn("    "), SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
        with self._progress(*columns) as progress:
            progress.add_task(what, total=None)
            yield

    def _progress(self, *columns: ProgressColumn) -> Progress:
        return Progress(*columns, console=self.console, transient=True, disable=not self.console.is_terminal)

    def _say(self, text: str, style: str = "", *, indent: int = 0) -> None:
        line = Text(text, style)
        if self.console.is_terminal:
            self.console.print(Padding.indent(line, indent))
        else:
            self.console.print(" " * indent, line, sep="", soft_wrap=True)


class Stopwatch:
    """Seconds since it was made, and the speed of so many bytes in that time."""

    def __init__(self) -> None:
        self._start = time.monotonic()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._start

    def speed(self, size: int) -> str:
        """In words; only for what took long enough to measure."""
        if size < MEBIBYTE:
            return f"{self.seconds:.2f} s"
        return f"{self.seconds:.1f} s, {size / MEBIBYTE / self.seconds:.0f} MiB/s"


def human(size: int) -> str:
    """A number of bytes as people say it."""
    if size < MEBIBYTE:
        return f"{size / 1024:.1f} KiB"
    return f"{size / MEBIBYTE:.1f} MiB"
