"""From rows that arrive column by column to one JSON object, column -> list of values, in flat memory.

The shape is that of ``DataFrame.to_dict(orient="list")``, which FLIP's data-access-api answers with. Besides what is
being written, only one byte for each row is held: whether it is given.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Collection, Sequence
from itertools import compress, groupby
from operator import itemgetter
from uuid import UUID

from flame_node_agent.cohort.engine import Row
from flame_node_agent.cohort.row_level_sql import MAX_VALUE_BYTES, SUBJECTS, TOO_LONG
from flame_node_agent.cohort.snapshots import MemberKind
from flame_node_agent.errors import Refused, RowsOutOfOrder

TOO_SMALL = "Cohort is too small for row-level data to be released."

_KINDS: tuple[MemberKind, ...] = ("person", "accession")
"""In the order in which rows show them."""

MAX_ROWS = 50_000_000
"""Of more rows no table is made: whether a row is given takes a byte of memory."""

VALUE_TOO_LONG = f"The cohort has a value of more than {MAX_VALUE_BYTES} bytes."

TOO_MANY_ROWS = f"The cohort has more than {MAX_ROWS} rows."

type MembersAmong = Callable[[UUID, MemberKind, Collection[str]], Awaitable[frozenset[str]]]


def too_small() -> Refused:
    """Refuse a cohort that is too small, or denied, or whose subjects cannot be counted: all look the same."""
    return Refused(403, TOO_SMALL)


class Membership:
    """Whom a project's frozen cohort covers."""

    def __init__(self, project_id: UUID, frozen: Collection[MemberKind], among: MembersAmong) -> None:
        """``frozen`` are the kinds of id that the approved query had."""
        self._project_id = project_id
        self._frozen = frozen
        self._among = among

    async def covers(self, shown: Sequence[tuple[str | None, str | None]]) -> list[bool]:
        """Whether rows belong to it, by their person and accession ids.

        A row does when each frozen id that it shows is a member's, and it shows at least one: neither a new patient
        nor a new study of an approved one gets in (FLIP data-access-api).
        """
        columns = []
        for place, kind in enumerate(_KINDS):
            if kind in self._frozen:
                ids = {shown_id for row in shown if (shown_id := row[place]) is not None}
                columns.append((place, await self._among(self._project_id, kind, ids)))
        return [
            all(row[place] is None or row[place] in members for place, members in columns)
            and any(row[place] is not None for place, _ in columns)
            for row in shown
        ]


class Admission:
    """Which rows are given, and whether they are of enough people."""

    def __init__(self, threshold: int, membership: Membership | None) -> None:
        """Without a ``membership`` all rows are given that are somebody's."""
        self._threshold = threshold
        self._membership = membership
        self._subjects: set[str] = set()
        self.given = bytearray()
        """For each row, in their order, 1 or 0."""

    async def take(self, rows: Sequence[Row]) -> None:
        """Take the next rows (part, number, person, accession, subject).

        Raises:
            Refused: 413.
            RowsOutOfOrder: they are not the next ones.
        """
        in_order(rows, after=len(self.given))
        if len(self.given) + len(rows) > MAX_ROWS:
            raise Refused(413, TOO_MANY_ROWS)
        shown = [(row[2], row[3]) for row in rows]
        given = [True] * len(rows) if self._membership is None else await self._membership.covers(shown)
        self.given.extend(given)
        if len(self._subjects) < self._threshold:
            self._subjects.update(row[4] for row in compress(rows, given))

    def check(self) -> None:
        """Refuse rows of too few people.

        Raises:
            Refused: 403.
        """
        if len(self._subjects) < self._threshold:
            raise too_small()


def in_order(rows: Sequence[Row], *, after: int) -> None:
    """Check that rows have the numbers that follow ``after``.

    Raises:
        RowsOutOfOrder: they have others.
    """
    if any(row[1] != number for number, row in enumerate(rows, start=after + 1)):
        raise RowsOutOfOrder


async def frame(
    batches: AsyncIterator[Sequence[Row]], names: Sequence[str], admission: Admission
) -> AsyncGenerator[bytes]:
    """Write the JSON object of the rows of :func:`.row_level_sql.frame`.

    Raises:
        Refused: 403 before the first byte, when the rows are of too few people; 413 when a value is too long.
        RowsOutOfOrder: at any time.
    """
    part, told, empty = SUBJECTS, 0, True
    async for batch in batches:
        for this, group in groupby(batch, key=itemgetter(0)):
            rows = list(group)
            if this == SUBJECTS and part == SUBJECTS:
                await admission.take(rows)
                continue
            place = told if this == part else 0
            if any(row[4] == TOO_LONG for row in compress(rows, admission.given[place:])):
                raise Refused(413, VALUE_TOO_LONG)
            if this != part:
                yield _opening(part, this, told, names, admission)
                part, told, empty = this, 0, True
            in_order(rows, after=told)
            given = admission.given[told : told + len(rows)]
            told += len(rows)
            values = ",".join("null" if row[2] is None else row[2] for row in compress(rows, given))
            if values:
                yield (values if empty else f",{values}").encode()
                empty = False
    if part == SUBJECTS:
        admission.check()  # no column has come: there is not a single row
    if part != len(names) or told != len(admission.given):
        raise RowsOutOfOrder
    yield b"]}"


def _opening(part: int, following: int, told: int, names: Sequence[str], admission: Admission) -> bytes:
    """What stands between two columns, or before the first."""
    if following != part + 1:
        raise RowsOutOfOrder
    name = json.dumps(names[following - 1], ensure_ascii=False)
    if part == SUBJECTS:
        admission.check()
        return f"{{{name}:[".encode()
    if told != len(admission.given):
        raise RowsOutOfOrder
    return f"],{name}:[".encode()
