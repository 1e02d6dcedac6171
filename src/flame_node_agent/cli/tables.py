"""Lists of rows on standard output, for people and for their scripts."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

PIPE_WIDTH = 400
"""Characters of a line where there is no terminal to fit."""


def print_table(table: Table) -> None:
    """Print as wide as the terminal is; elsewhere so wide that no line is broken."""
    console = Console()
    console.width = console.width if console.is_terminal else PIPE_WIDTH
    console.print(table, highlight=False, markup=False)
