"""Counted cohorts in memory."""

from __future__ import annotations

from flame_node_agent.cohort.cache import SummaryCache, statement_hash
from flame_node_agent.cohort.guard import guard
from tests.unit.cohort.populations import Person, people, summary

SUMMARY = summary(("person_id",), people(10))


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def cache(clock: Clock | None = None, *, max_entries: int = 3, max_rows: int = 100) -> SummaryCache:
    return SummaryCache(ttl_days=2, max_entries=max_entries, max_rows=max_rows, clock=clock or Clock())


def test_what_was_put_is_found_and_nothing_else() -> None:
    kept = cache()
    kept.put("SELECT 1", SUMMARY)
    assert kept.get("SELECT 1") is SUMMARY
    assert kept.get("SELECT 2") is None


def test_entry_is_forgotten_after_its_time() -> None:
    clock = Clock()
    kept = cache(clock)
    kept.put("SELECT 1", SUMMARY)
    clock.seconds = 2 * 86_400
    assert kept.get("SELECT 1") is SUMMARY
    clock.seconds += 1
    assert kept.get("SELECT 1") is None


def test_oldest_entries_make_room() -> None:
    kept = cache()
    for number in range(4):
        kept.put(f"SELECT {number}", SUMMARY)
    assert [kept.get(f"SELECT {number}") is not None for number in range(4)] == [False, True, True, True]


def test_entry_put_again_is_young_again() -> None:
    kept = cache(max_entries=2)
    for sql in ("SELECT 1", "SELECT 2", "SELECT 1", "SELECT 3"):
        kept.put(sql, SUMMARY)
    assert kept.get("SELECT 1") is SUMMARY
    assert kept.get("SELECT 2") is None


def test_large_summary_is_not_kept() -> None:
    kept = cache(max_rows=2)
    varied = summary(("person_id",), [Person(None, None, ((True,),) * rows) for rows in (1, 2, 3)])
    kept.put("SELECT 1", varied)
    assert kept.get("SELECT 1") is None


def test_everything_can_be_forgotten() -> None:
    kept = cache()
    kept.put("SELECT 1", SUMMARY)
    kept.clear()
    assert kept.get("SELECT 1") is None


def test_white_space_and_case_of_a_query_make_no_difference_but_in_quotes() -> None:
    spelled = [
        "SELECT person_id FROM person WHERE gender_source_value = 'M'",
        "select   PERSON_ID\nfrom omop.person where gender_source_value = 'M';",
    ]
    assert len({statement_hash(guard(query).sql) for query in spelled}) == 1
    other = "SELECT person_id FROM person WHERE gender_source_value = 'm'"
    assert statement_hash(guard(other).sql) != statement_hash(guard(spelled[0]).sql)
