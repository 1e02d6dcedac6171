"""The table of the queries: what the database holds against what the hub got."""

from __future__ import annotations

from dataclasses import dataclass

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from flame_node_agent.devstack.demo.cohort_hub import HubAnswer
from flame_node_agent.devstack.demo.cohort_queries import DISCLOSURE_THRESHOLD, CohortQuestion, Fate


@dataclass(frozen=True)
class CohortRow:
    """One question: what the database holds, and what the hub got."""

    question: CohortQuestion
    rows: int | None
    """Rows of the query, counted past the product; None if it cannot be counted."""
    answer: HubAnswer

    @property
    def right(self) -> bool:
        """Whether the hub got what it must get, and no number about fewer patients than the threshold."""
        if self.answer.fate is not self.question.must_be:
            return False
        if self.answer.fate is not Fate.ANSWERED:
            return self.answer.record_count == 0 and not self.answer.groups
        safe = all(number >= DISCLOSURE_THRESHOLD for number in self.answer.numbers)
        return safe and self.answer.record_count == self.rows


def cohort_table(rows: list[CohortRow]) -> Table:
    """What is in the database against what the hub got."""
    table = Table(box=SIMPLE_HEAD, padding=0, show_edge=False)
    for heading in ("query", "rows here", "hub got", "numbers", "suppressed", "error", ""):
        right = heading in {"rows here", "hub got", "numbers"}
        table.add_column(heading, no_wrap=True, justify="right" if right else "left")
    for row in rows:
        table.add_row(
            row.question.name,
            "-" if row.rows is None else f"{row.rows:,}",
            f"{row.answer.record_count:,}",
            str(len(row.answer.numbers) - 1),
            "yes" if row.answer.suppressed else "no",
            row.answer.error or "-",
            Text("right", "green") if row.right else Text("WRONG", "bold red"),
        )
    return table
