"""The narrow interface to the database that holds the patients; all that cohort queries ever ask of it.

An engine runs statements that :mod:`.guard` has passed, in a read-only transaction of its own each, and stops them in
the database when whoever waits for them is cancelled. PostgreSQL is the only engine so far (:mod:`.postgres_engine`).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Protocol

Row = tuple[Any, ...]

BATCH_ROWS = 1000
"""How many rows an engine hands over at once, at most."""

ONE_PROCESS = "/* one process */"
"""A statement with this comment in it runs in one process: several hand rows over in another order each time."""


@dataclass(frozen=True)
class Column:
    """A column of a statement's rows; ``integer`` says whether its values are whole numbers by their type."""

    name: str
    integer: bool


@dataclass(frozen=True)
class Rows:
    """Rows of one statement: their column names, and the rows themselves in batches."""

    columns: tuple[str, ...]
    batches: AsyncIterator[Sequence[Row]]


class CohortEngine(Protocol):
    """Runs statements on the OMOP database.

    Every method raises Refused with the status and text that data-access-api answers with: 400 naming a table or
    column that is not there, 500 ``query_timeout``, ``query_failed`` or ``internal_error``; and Busy (503, with the
    text ``query_failed``) while the database cannot be reached. Neither SQL nor values are in these texts.
    """

    async def describe(self, sql: str) -> tuple[Column, ...]:
        """The columns of a statement, without reading a row."""
        ...

    async def columns(self, sql: str) -> tuple[str, ...]:
        """The names of the columns of a statement, without reading a row."""
        ...

    async def aggregate(self, sql: str, parameters: Sequence[object] = ()) -> Mapping[str, Any]:
        """The one row of a statement. Its places for ``parameters`` are ``$1``, ``$2`` and so on."""
        ...

    def rows(self, sql: str, parameters: Sequence[object] = ()) -> AbstractAsyncContextManager[Rows]:
        """The rows of a statement, in batches, in memory that does not grow with their number."""
        ...

    async def check(self) -> None:
        """Whether the database answers."""
        ...
