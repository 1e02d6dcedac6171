"""What a project is told after what it was told before, on real databases."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from datetime import datetime, tzinfo
from uuid import UUID, uuid4

import psycopg
import pytest

from flame_node_agent.cohort import release
from flame_node_agent.cohort.answer import SUPPRESSED, CohortAnswer
from flame_node_agent.cohort.cache import SummaryCache
from flame_node_agent.cohort.guard import guard
from flame_node_agent.cohort.postgres_engine import PostgresEngine
from flame_node_agent.cohort.query_log import QueryLog
from flame_node_agent.cohort.release import MAX_COMPARISONS, MAX_COMPARISONS_VARIED, CohortStatistics
from flame_node_agent.devstack.omop.access import OmopAccess
from flame_node_agent.errors import Busy
from flame_node_agent.stores.database import Database

THRESHOLD = 10


class Trust:
    """A trust that answers; ``fresh`` counts every cohort anew."""

    def __init__(self, engine: PostgresEngine, state: Database, *, rounding: int = 0) -> None:
        self.engine = engine
        self.state = state
        self.rounding = rounding
        self.project = uuid4()
        self.restart()

    def restart(self) -> None:
        """Forget what is in memory only."""
        cache = SummaryCache(ttl_days=60, max_entries=64, max_rows=50_000)
        self.statistics = CohortStatistics(
            self.engine, QueryLog(self.state), cache, rounding=self.rounding, comparing_seconds=60
        )

    async def ask(
        self, query: str, *, project: UUID | None = None, threshold: int = THRESHOLD
    ) -> CohortAnswer:
        return await self.statistics.answer(project or self.project, guard(query), threshold)


@pytest.fixture
def trust(engine: PostgresEngine, state: Database) -> Trust:
    return Trust(engine, state)


def first(number: int, more: str = "") -> str:
    """A cohort of the persons 1 to ``number``."""
    return f"SELECT person_id{more} FROM person WHERE person_id <= {number}"


async def test_cohort_with_a_few_more_persons_is_told_as_too_small(trust: Trust) -> None:
    assert (await trust.ask(first(100))).record_count == 100
    for number in (101, 109, 91, 99):
        assert await trust.ask(first(number)) == SUPPRESSED
    assert (await trust.ask(first(110))).record_count == 110
    assert (await trust.ask(first(90))).record_count == 90


async def test_suppressed_answers_are_all_alike(trust: Trust) -> None:
    await trust.ask(first(100))
    answers = [
        await trust.ask(query)
        for query in (first(101), first(0), first(9), "SELECT count(*) AS person_count FROM person")
    ]
    assert answers == [SUPPRESSED] * 4
    assert {repr(answer) for answer in answers} == {repr(SUPPRESSED)}


async def test_other_persons_in_a_cohort_of_similar_size_are_told(trust: Trust) -> None:
    await trust.ask(first(100))
    answer = await trust.ask("SELECT person_id FROM person WHERE person_id BETWEEN 201 AND 303")
    assert answer.record_count == 103


async def test_other_projects_are_not_affected(trust: Trust) -> None:
    await trust.ask(first(100))
    assert (await trust.ask(first(101), project=uuid4())).record_count == 101


async def test_answer_from_memory_is_checked_for_each_project(trust: Trust) -> None:
    other = uuid4()
    await trust.ask(first(100), project=other)
    assert (await trust.ask(first(101))).record_count == 101
    assert await trust.ask(first(101), project=other) == SUPPRESSED
    assert await trust.ask(first(101), threshold=200) == SUPPRESSED


async def test_suppressed_answers_are_not_held_against_later_ones(trust: Trust) -> None:
    await trust.ask(first(100))
    assert await trust.ask(first(105)) == SUPPRESSED
    assert (await trust.ask(first(112))).record_count == 112


async def test_the_same_query_gets_the_same_answer(trust: Trust) -> None:
    answer = await trust.ask(first(100))
    trust.restart()
    assert await trust.ask(first(100)) == answer
    assert await trust.ask(first(100).lower().replace(" ", "\n")) == answer
    rows = await trust.state.execute("SELECT count(*) AS n FROM cohort_query_log")
    assert rows[0]["n"] == 1


async def test_the_same_cohort_in_other_words_gets_the_same_numbers(trust: Trust) -> None:
    answer = await trust.ask(first(100))
    again = await trust.ask("SELECT p.person_id FROM person AS p WHERE NOT p.person_id > 100")
    assert again == answer


async def test_the_same_cohort_with_other_columns_is_told(trust: Trust) -> None:
    await trust.ask(first(1000))
    answer = await trust.ask(first(1000, ", year_of_birth, race_source_value"))
    assert answer.record_count == 1000
    assert [bucket.value for bucket in answer.data[0].results] == [
        "person\nid",
        "year\nof\nbirth",
        "race\nsource\nvalue",
    ]


async def test_the_same_persons_with_one_row_more_are_not_told(trust: Trust) -> None:
    """The size in subjects is the same, the number of records would betray whose row it is."""
    await trust.ask(first(100))
    one_more = f"{first(100)} UNION ALL SELECT person_id FROM person WHERE person_id = 7"
    assert await trust.ask(one_more) == SUPPRESSED


async def test_doubled_rows_do_not_hide_a_difference(trust: Trust) -> None:
    await trust.ask(first(100))
    doubled = " UNION ALL ".join([first(100), first(100), "SELECT person_id FROM person WHERE person_id = 7"])
    assert await trust.ask(doubled) == SUPPRESSED


async def test_column_that_differs_by_one_person_from_an_earlier_one_is_left_out(trust: Trust) -> None:
    def flagged(number: int) -> str:
        return first(1000, f", CASE WHEN person_id <= {number} THEN 1 END AS flag")

    told = await trust.ask(flagged(500))
    assert [bucket.count for bucket in told.data[0].results] == [1000, 500]
    kept = await trust.ask(flagged(501))
    assert kept.record_count == 1000
    assert [bucket.value for bucket in kept.data[0].results] == ["person\nid"]
    assert kept.data[1].results == []


async def test_column_is_compared_with_cohorts_as_well(trust: Trust) -> None:
    await trust.ask(first(500))
    kept = await trust.ask(first(1000, ", CASE WHEN person_id <= 501 THEN 1 END AS flag"))
    assert [bucket.value for bucket in kept.data[0].results] == ["person\nid"]


async def test_difference_of_two_columns_is_compared_with_cohorts(trust: Trust) -> None:
    """Those with y and without x are the persons 601 to 901."""
    flags = ", CASE WHEN person_id <= 600 THEN 1 END AS x, CASE WHEN person_id <= 901 THEN 1 END AS y"
    told = await trust.ask(first(1401, flags))
    assert [bucket.count for bucket in told.data[0].results] == [1401, 600, 901]
    others = "SELECT person_id FROM person WHERE person_id BETWEEN 601 AND 901"
    assert await trust.ask(f"{others} AND person_id <> 642") == SUPPRESSED
    assert (await trust.ask(others)).record_count == 301


async def test_gaps_of_more_kinds_than_are_known_are_compared_with_cohorts(
    new_omop: Callable[[int], OmopAccess], state: Database
) -> None:
    """Of 2,400 persons who each have another number of rows, all but 400 lack a value in some."""
    omop = new_omop(2400)
    engine = PostgresEngine.to(omop.reader_dsn, timeout_seconds=60, parallel=4)
    trust = Trust(engine, state)
    varied = (
        "SELECT p.person_id, CASE WHEN p.person_id <= 400 OR n % 2 = 0 THEN n END AS x FROM person AS p"
        " CROSS JOIN generate_series(1, 2500) AS n WHERE n <= p.person_id + 1 OR p.person_id <= 400 AND n <= 2"
    )
    told = await trust.ask(varied)
    assert [bucket.value for bucket in told.data[1].results] == ["x"]
    gaps = f"SELECT person_id, 1 AS y FROM ({varied}) AS cohort WHERE x IS NULL AND person_id <> 642"
    assert await trust.ask(gaps) == SUPPRESSED


async def test_many_answers_with_many_columns_end_in_answers_without_them(trust: Trust) -> None:
    """They are compared with everything, so a project cannot have as many of them as it likes; others it can."""
    flags = "".join(f", CASE WHEN person_id % {n} < {n // 2} THEN 1 END AS c{n}" for n in (5, 7, 9, 11))
    assert len((await trust.ask(first(1200, flags))).data[1].results) == 4
    await repeat_last_row(trust, MAX_COMPARISONS_VARIED)
    answer = await trust.ask(f"SELECT person_id{flags} FROM person WHERE person_id > 1300")
    assert answer.record_count == 700
    assert answer.data[1].results == []


async def repeat_last_row(trust: Trust, times: int) -> None:
    """As if the project had been told the same in other words."""
    await trust.state.execute(
        "INSERT INTO cohort_query_log (project_id, statement_hash, statement, subjects, sizes, varied, gap_columns,"
        " distributed, threshold, rounding, answer) SELECT project_id, n::text, statement, subjects, sizes, varied,"
        " gap_columns, distributed, threshold, rounding, answer FROM cohort_query_log"
        f" CROSS JOIN generate_series(1, {times}) AS n"
    )


async def test_stricter_threshold_compares_more_widely(trust: Trust) -> None:
    assert (await trust.ask(first(100), threshold=20)).record_count == 100
    # What was told under 20 must not be undone under 10.
    assert await trust.ask(first(115), threshold=10) == SUPPRESSED
    assert await trust.ask(first(119), threshold=20) == SUPPRESSED


async def test_rounded_answers_are_compared_by_their_exact_sizes(
    engine: PostgresEngine, state: Database
) -> None:
    trust = Trust(engine, state, rounding=10)
    assert (await trust.ask(first(101))).record_count == 100
    assert await trust.ask(first(104)) == SUPPRESSED


@pytest.mark.parametrize("rows", [2, 3, 7])
async def test_repeated_rows_do_not_undo_rounding(engine: PostgresEngine, state: Database, rows: int) -> None:
    """103 told as 105, and twice 103 as 205, can only be 103."""
    trust = Trust(engine, state, rounding=5)
    assert (await trust.ask(first(103))).record_count == 105
    repeated = f"SELECT person_id FROM person, generate_series(1, {rows}) AS n WHERE person_id <= 103"
    assert (await trust.ask(repeated)).record_count == 105 * rows


class Clock(datetime):
    """The time as the tests want it."""

    day = 1

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Clock:
        return cls(2026, 3, cls.day, 12, tzinfo=tz)


async def test_cohort_that_changes_with_time_is_compared_as_it_was_told(
    trust: Trust, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tomorrow the statement is about others, as many; the answer was about all but one of the first 500."""
    monkeypatch.setattr(release, "datetime", Clock)
    changing = (
        "SELECT person_id FROM person WHERE CASE WHEN current_date < '2026-03-02'"
        " THEN person_id <= 500 AND person_id <> 42 ELSE person_id BETWEEN 1001 AND 1499 END"
    )
    assert (await trust.ask(changing)).record_count == 499
    monkeypatch.setattr(Clock, "day", 2)
    assert await trust.ask(first(500)) == SUPPRESSED


@pytest.fixture
def changing(
    new_omop: Callable[[int], OmopAccess], state: Database
) -> Iterator[tuple[Trust, Callable[[str], None]]]:
    """A trust whose OMOP database changes."""
    omop = new_omop(500)
    engine = PostgresEngine.to(omop.reader_dsn, timeout_seconds=60, parallel=4)
    with psycopg.connect(omop.dsn, autocommit=True) as connection:

        def change(sql: str) -> None:
            connection.execute(sql.encode())

        change("CREATE TABLE omop.extra AS SELECT person_id FROM omop.person WHERE person_id <= 100")
        change("GRANT SELECT ON omop.extra TO data_analyst_reader")
        yield Trust(engine, state), change


EXTRA = "SELECT person_id FROM extra"
Changing = tuple[Trust, Callable[[str], None]]


async def test_few_new_patients_do_not_change_an_answer(changing: Changing) -> None:
    trust, change = changing
    answer = await trust.ask(EXTRA)
    change("INSERT INTO omop.extra VALUES (101), (102)")
    trust.restart()
    assert await trust.ask(EXTRA) == answer
    change("INSERT INTO omop.extra SELECT generate_series(103, 110)")
    trust.restart()
    assert (await trust.ask(EXTRA)).record_count == 110


async def test_cohort_that_has_become_too_small_does_not_betray_who_left(changing: Changing) -> None:
    trust, change = changing
    change("DELETE FROM omop.extra WHERE person_id > 12")
    answer = await trust.ask(EXTRA)
    assert answer.record_count == 12
    change("DELETE FROM omop.extra WHERE person_id > 8")
    trust.restart()
    assert await trust.ask(EXTRA) == answer


async def test_few_new_patients_are_not_told_to_other_words_either(changing: Changing) -> None:
    trust, change = changing
    await trust.ask(EXTRA)
    change("INSERT INTO omop.extra VALUES (101), (102)")
    trust.restart()
    assert await trust.ask("SELECT e.person_id FROM extra AS e") == SUPPRESSED


async def test_new_rows_of_the_same_patients_are_not_told_to_other_words(changing: Changing) -> None:
    """The cohort has the same subjects; the difference of the records would be what one of them has got since."""
    trust, change = changing
    await trust.ask(EXTRA)
    change("INSERT INTO omop.extra VALUES (7)")
    trust.restart()
    assert await trust.ask("SELECT e.person_id FROM extra AS e") == SUPPRESSED


async def test_answer_from_memory_is_not_told_beside_a_later_one(changing: Changing) -> None:
    """Counted for another project before somebody left, it would tell that he has."""
    trust, change = changing
    await trust.ask(EXTRA, project=uuid4())
    change("DELETE FROM omop.extra WHERE person_id = 7")
    other_words = "SELECT e.person_id FROM extra AS e"
    assert (await trust.ask(other_words)).record_count == 99
    assert await trust.ask(EXTRA) == SUPPRESSED


async def test_few_new_patients_are_not_told_under_another_threshold(changing: Changing) -> None:
    trust, change = changing
    await trust.ask(EXTRA)
    change("INSERT INTO omop.extra VALUES (101), (102)")
    trust.restart()
    assert await trust.ask(EXTRA, threshold=11) == SUPPRESSED


async def test_what_cannot_be_compared_any_more_is_not_told(changing: Changing) -> None:
    trust, change = changing
    assert (await trust.ask(EXTRA)).record_count == 100
    change("DROP TABLE omop.extra")
    assert await trust.ask("SELECT person_id FROM person WHERE person_id BETWEEN 200 AND 301") == SUPPRESSED
    assert (
        await trust.ask("SELECT person_id FROM person WHERE person_id BETWEEN 200 AND 400")
    ).record_count == 201


@pytest.mark.parametrize("gone", ["x", "a", "person_id"])
async def test_what_has_other_columns_now_is_not_compared(
    changing: Changing, capsys: pytest.CaptureFixture[str], gone: str
) -> None:
    """Of person_id, a, x and y, only x has gaps; without "a" its place is that of y."""
    trust, change = changing
    change(
        "ALTER TABLE omop.extra ADD COLUMN a integer DEFAULT 1, ADD COLUMN x integer, ADD COLUMN y integer DEFAULT 1"
    )
    change("UPDATE omop.extra SET x = 1 WHERE person_id <= 50")
    told = await trust.ask("SELECT * FROM extra")
    assert [bucket.value for bucket in told.data[1].results] == ["x"]
    change(f"ALTER TABLE omop.extra DROP COLUMN {gone}")
    assert await trust.ask("SELECT person_id FROM person WHERE person_id BETWEEN 200 AND 301") == SUPPRESSED
    assert "cohort.not_comparable" in capsys.readouterr().out


async def test_too_many_similar_cohorts_end_in_suppression(trust: Trust) -> None:
    await trust.ask(first(100))
    await repeat_last_row(trust, MAX_COMPARISONS)
    assert await trust.ask("SELECT person_id FROM person WHERE person_id BETWEEN 501 AND 600") == SUPPRESSED


async def test_comparing_that_takes_too_long_ends_in_suppression(
    engine: PostgresEngine, state: Database
) -> None:
    trust = Trust(engine, state)
    await trust.ask(first(100))
    cache = SummaryCache(ttl_days=60, max_entries=64, max_rows=50_000)
    trust.statistics = CohortStatistics(engine, QueryLog(state), cache, rounding=0, comparing_seconds=0.0)
    assert await trust.ask("SELECT person_id FROM person WHERE person_id BETWEEN 501 AND 600") == SUPPRESSED


async def test_questions_asked_at_once_are_compared_with_each_other(trust: Trust) -> None:
    answers = await asyncio.gather(*(trust.ask(first(100 + number)) for number in range(6)))
    assert sum(answer != SUPPRESSED for answer in answers) == 1


async def test_the_same_question_asked_at_once_gets_one_answer(trust: Trust) -> None:
    answers = await asyncio.gather(*(trust.ask(first(100)) for _ in range(6)))
    assert len(set(map(repr, answers))) == 1
    assert answers[0].record_count == 100


async def test_without_the_query_log_nothing_is_told(engine: PostgresEngine, state: Database) -> None:
    trust = Trust(engine, state)
    await state.execute("DROP TABLE cohort_query_log")
    with pytest.raises(Exception, match="PostgreSQL"):
        await trust.ask(first(100))


async def test_omop_database_away_is_no_verdict(trust: Trust, omop: OmopAccess) -> None:
    await trust.ask(first(100))
    query = "SELECT person_id FROM person WHERE person_id BETWEEN 501 AND 600"
    known = await trust.statistics._summary(guard(query).sql)
    away = PostgresEngine.to("postgresql://nobody@127.0.0.1:1/none", timeout_seconds=5, parallel=1)
    cache = SummaryCache(ttl_days=60, max_entries=64, max_rows=50_000)
    cache.put(guard(query).sql, known)
    trust.statistics = CohortStatistics(away, QueryLog(trust.state), cache, rounding=0, comparing_seconds=60)
    with pytest.raises(Busy):
        await trust.ask(query)
    trust.restart()
    assert (await trust.ask(query)).record_count == 100


async def test_log_and_output_hold_no_statement(trust: Trust, capsys: pytest.CaptureFixture[str]) -> None:
    await trust.ask(first(100))
    await trust.ask(first(101))
    await trust.ask(first(9))
    said = capsys.readouterr().out
    assert "cohort.judged" in said
    assert "person_id" not in said


async def test_answers_are_kept_as_they_were_given(trust: Trust) -> None:
    answer = await trust.ask(first(100))
    row = (await trust.state.execute("SELECT * FROM cohort_query_log"))[0]
    assert row["answer"]["record_count"] == answer.record_count
    assert row["answer"]["data"] == [statistic.model_dump() for statistic in answer.data]
    assert (row["project_id"], row["subjects"], row["sizes"]) == (trust.project, 100, [100])
