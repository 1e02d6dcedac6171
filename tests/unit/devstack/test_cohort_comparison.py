"""The demonstration fails when the hub gets another answer to a query than it must, and shows which."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from flame_node_agent.devstack.demo.cohort_comparison import CohortRow, cohort_table
from flame_node_agent.devstack.demo.cohort_hub import HubAnswer
from flame_node_agent.devstack.demo.cohort_queries import LARGE, MALICIOUS, SMALL, Fate
from flame_node_agent.devstack.demo.narrator import Narrator

NUMBERS = HubAnswer(40, False, None, {"Sex Distribution": {"F": 25, "M": 15}}, "COMPLETED", None)
NOTHING = HubAnswer(0, True, None, {}, "COMPLETED", None)
REFUSED = HubAnswer(0, False, "query_failed", {}, "FAILED", '{"error": "400: no"}')
RIGHT = [CohortRow(LARGE, 40, NUMBERS), CohortRow(SMALL, 4, NOTHING), CohortRow(MALICIOUS, None, REFUSED)]


@pytest.mark.parametrize("row", RIGHT, ids=lambda row: row.question.name)
def test_what_must_be_is_right(row: CohortRow) -> None:
    assert row.right


@pytest.mark.parametrize(
    "row",
    [
        CohortRow(LARGE, 41, NUMBERS),
        CohortRow(LARGE, 40, replace(NUMBERS, groups={"Sex Distribution": {"F": 31, "M": 9}})),
        CohortRow(LARGE, 0, NOTHING),
        CohortRow(LARGE, 40, REFUSED),
        CohortRow(SMALL, 4, replace(NUMBERS, record_count=4)),
        CohortRow(SMALL, 4, replace(NOTHING, record_count=4)),
        CohortRow(SMALL, 4, replace(NOTHING, groups={"Counts": {"a": 4}})),
        CohortRow(MALICIOUS, None, NUMBERS),
        CohortRow(MALICIOUS, None, replace(REFUSED, task_status="COMPLETED")),
    ],
)
def test_everything_else_is_wrong(row: CohortRow) -> None:
    assert not row.right


def test_an_answer_tells_its_fate() -> None:
    assert [row.answer.fate for row in RIGHT] == [Fate.ANSWERED, Fate.SUPPRESSED, Fate.REFUSED]


def test_the_table_shows_what_is_wrong_and_fits_eighty_columns() -> None:
    said = io.StringIO()
    Narrator(Console(file=said, width=80)).show(cohort_table([*RIGHT, CohortRow(SMALL, 4, NUMBERS)]))
    lines = said.getvalue().splitlines()
    assert [line.split()[-1] for line in lines if line.split()[-1] in {"right", "WRONG"}] == [
        "right",
        "right",
        "right",
        "WRONG",
    ]
    assert max(map(len, lines)) <= 80
