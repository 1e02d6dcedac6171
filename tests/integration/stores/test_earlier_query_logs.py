"""What becomes of cohort answers that an earlier release has logged."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files

import pytest

from flame_node_agent.devstack.postgres import PostgresAccess
from tests.integration.stores.journal_ground import open_journals

MIGRATION = (
    files("flame_node_agent.stores.migrations").joinpath("0008_cohort_combinations.sql").read_text("utf-8")
)


@pytest.mark.parametrize(
    ("gaps", "distributed", "told", "varied"),
    [
        ("{}", False, 100, False),
        ("{}", True, 100, False),
        ("{}", True, 200, True),
        ("{1}", False, 100, True),
    ],
    ids=["records alone", "one row each, with ages", "two rows each, with ages", "a column with gaps"],
)
async def test_answers_whose_combinations_were_not_noted_are_compared_with_all(
    postgres_database: Callable[[], PostgresAccess], gaps: str, distributed: bool, told: int, varied: bool
) -> None:
    async with open_journals(postgres_database()) as opened:
        database = opened.database
        await database.execute("ALTER TABLE cohort_query_log DROP COLUMN varied")
        await database.execute(
            "INSERT INTO cohort_query_log (project_id, statement_hash, statement, subjects, sizes, gap_columns,"
            " distributed, threshold, rounding, answer) VALUES (gen_random_uuid(), '', '', 100, '{100}', %(gaps)s,"
            """ %(distributed)s, 10, 0, jsonb_build_object('record_count', %(told)s::int))""",
            {"gaps": gaps, "distributed": distributed, "told": told},
        )
        async with database.connection() as connection:
            await connection.execute(MIGRATION.encode())
        (row,) = await database.execute("SELECT varied FROM cohort_query_log")
        assert row["varied"] is varied
