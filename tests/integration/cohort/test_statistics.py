"""The numbers of a cohort, counted by a real PostgreSQL, against the same rows counted here one by one."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime

import psycopg
import pytest

from flame_node_agent.cohort.disclosure import MAX_GAP_COLUMNS, DisclosureControl
from flame_node_agent.cohort.guard import guard
from flame_node_agent.cohort.postgres_engine import PostgresEngine
from flame_node_agent.cohort.statistics import count_subjects, summarise
from flame_node_agent.cohort.summary import NOBODY, Apiece
from flame_node_agent.devstack.omop.access import OmopAccess
from flame_node_agent.errors import Refused
from tests.unit.cohort.populations import told

TODAY = date(2026, 2, 28)
LABELS = {None: "Unknown"} | {decade: f"{decade * 10}-{decade * 10 + 9}" for decade in range(16)}

COHORTS = [
    "SELECT * FROM person",
    "SELECT person_id, condition_concept_id, condition_end_date FROM condition_occurrence",
    (
        "SELECT p.person_id, v.visit_start_date, c.condition_end_date, c.condition_source_value FROM person AS p"
        " LEFT JOIN visit_occurrence AS v ON v.person_id = p.person_id"
        " LEFT JOIN condition_occurrence AS c ON c.person_id = p.person_id AND c.condition_concept_id = 320128"
    ),
    "SELECT person_id AS person_id, gender_source_value AS a, year_of_birth AS a FROM person WHERE person_id < 300",
    "SELECT person_id, race_source_value FROM person ORDER BY race_source_value LIMIT 700 OFFSET 3",
    "SELECT person_id, 1 AS x FROM person WHERE person_id < 500 UNION ALL SELECT person_id, NULL FROM visit_occurrence",
    "(SELECT person_id FROM person WHERE person_id < 500) INTERSECT (SELECT person_id FROM visit_occurrence)",
    "WITH old AS (SELECT person_id, year_of_birth FROM person WHERE year_of_birth < 1950) SELECT * FROM old",
]


def age(born: date, today: date) -> int:
    return today.year - born.year - ((today.month, today.day) < (born.month, born.day))


def counted(omop: OmopAccess, sql: str) -> dict[str, dict[str, int]]:
    """All numbers of a cohort as FLIP would count them, without any disclosure control."""
    with psycopg.connect(omop.dsn) as connection:
        connection.execute("SET search_path = omop")
        cursor = connection.execute(sql.encode())
        names = [column.name for column in cursor.description or ()]
        rows = cursor.fetchall()
        born = connection.execute(
            "SELECT person_id, birth_datetime, year_of_birth, month_of_birth, day_of_birth, gender_source_value"
            " FROM person"
        ).fetchall()
    persons = {row[0]: row[1:] for row in born}
    first = {name: names.index(name) for name in names}
    holding = {name: sum(row[place] is not None for row in rows) for name, place in first.items()}
    ages: Counter[str] = Counter()
    sexes: Counter[str] = Counter()
    for person_id in {row[first["person_id"]] for row in rows}:
        moment, year, month, day, sex = persons[person_id]
        birth = moment.date() if moment else date(year, month or 1, day or 1)
        ages[LABELS[age(birth, TODAY) // 10]] += 1
        sexes[sex or "Unknown"] += 1
    return {
        "Counts": {name.replace("_", "\n"): number for name, number in holding.items() if number},
        "Nulls": {name.replace("_", "\n"): len(rows) - number for name, number in holding.items() if number},
        "Age Distribution": dict(ages),
        "Sex Distribution": dict(sexes),
    }


@pytest.mark.parametrize("query", COHORTS)
async def test_numbers_are_those_of_the_rows(omop: OmopAccess, engine: PostgresEngine, query: str) -> None:
    truth = counted(omop, query)
    summary = await summarise(engine, guard(query).sql, TODAY)
    holding = dict(zip((name.replace("_", "\n") for name in summary.columns), summary.values, strict=True))
    assert {name: number for name, number in holding.items() if number} == truth["Counts"]
    assert {name: summary.rows - number for name, number in holding.items() if number} == truth["Nulls"]
    assert {LABELS[decade]: number for decade, number in summary.decades.items()} == truth["Age Distribution"]
    assert {sex or "Unknown": number for sex, number in summary.sexes.items()} == _small_as_other(
        truth["Sex Distribution"]
    )
    assert summary.subjects == sum(truth["Age Distribution"].values())
    assert summary.complete
    assert sum(cell.subjects for cell in summary.cells) == summary.subjects
    release = DisclosureControl(10).release(summary)
    for name, group in told(release).items():
        for label, number in group.items():
            assert number >= 10
            assert label == "Other" or number == truth[name][label]


def _small_as_other(sexes: dict[str, int]) -> dict[str, int]:
    found: Counter[str] = Counter()
    for sex, number in sexes.items():
        found["Other" if number < 5 else sex] += number
    return dict(found)


async def test_holders_are_subjects_with_a_value(omop: OmopAccess, engine: PostgresEngine) -> None:
    query = "SELECT person_id, condition_end_date FROM omop.condition_occurrence"
    summary = await summarise(engine, query)
    with psycopg.connect(omop.dsn) as connection:
        rows = connection.execute(query.encode()).fetchall()
    values: dict[int, list[bool]] = defaultdict(list)
    for person, ended in rows:
        values[person].append(ended is not None)
    assert summary.subjects == len(values)
    assert summary.holders[1] == sum(map(any, values.values()))
    assert summary.lacking[1] == sum(not all(ended) for ended in values.values())
    for apiece, numbers in (
        (summary.rows_apiece, map(len, values.values())),
        (summary.values_apiece[1], map(sum, values.values())),
        (summary.gaps_apiece[1], (ended.count(False) for ended in values.values())),
    ):
        some = sorted(filter(None, numbers))
        assert apiece == Apiece(some[0], some[-1])
    assert summary.gaps_apiece[0] == Apiece(0, 0)


PEOPLE = "SELECT person_id FROM omop.person WHERE person_id <= 40"


@pytest.mark.parametrize(
    "ids",
    [
        "person_id",
        "person_id::bigint",
        "person_id::smallint",
        "person_id::numeric",
        "person_id + 0.00",
        "person_id::double precision",
        "person_id::text",
        "' ' || person_id || '  '",
        "person_id::varchar(20)",
        "person_id::char(20)",
    ],
)
async def test_persons_are_recognised_whatever_type_their_id_has(engine: PostgresEngine, ids: str) -> None:
    query = f"SELECT {ids} AS person_id FROM ({PEOPLE}) AS people"
    summary = await summarise(engine, query)
    assert (summary.subjects, summary.rows) == (40, 40)
    assert await count_subjects(engine, query) == 40


@pytest.mark.parametrize(
    "garbage",
    [
        "NULL::int",
        "-1",
        "9223372036854775807",
        "0",
        "123456789",
        "'nobody'",
        "''",
        "'1e1'",
        "'99999999999999999999999'",
        "'0x1'",
        "'١'",
        "1.5",
        "'NaN'::numeric",
        "'Infinity'::double precision",
        "1e300::numeric",
        "true",
        "current_date",
        "ARRAY[1]",
        "ROW(1, 2)",
        "'{\"a\": 1}'::jsonb",
        "gen_random_uuid()",
        "'\\x01'::bytea",
    ],
)
async def test_garbage_is_nobody_and_no_error(engine: PostgresEngine, garbage: str) -> None:
    assert (
        await summarise(engine, f"SELECT {garbage} AS person_id FROM generate_series(1, 50)")
    ).subjects == 0
    mixed = (
        f"SELECT person_id::text AS person_id FROM omop.person WHERE person_id <= 40"
        f" UNION ALL SELECT ({garbage})::text FROM generate_series(1, 50)"
    )
    summary = await summarise(engine, mixed)
    assert (summary.subjects, summary.rows) == (40, 40)


async def test_studies_stand_for_their_persons(omop: OmopAccess, engine: PostgresEngine) -> None:
    summary = await summarise(engine, "SELECT accession_id, modality FROM omop.image_occurrence")
    with psycopg.connect(omop.dsn) as connection:
        row = connection.execute(
            "SELECT count(DISTINCT person_id), count(*) FROM omop.image_occurrence WHERE accession_id IS NOT NULL"
        ).fetchone()
    assert (summary.subjects, summary.rows) == row
    assert not summary.demographics
    made_up = await summarise(engine, "SELECT 'ACC-' || n AS accession_id FROM generate_series(1, 500) AS n")
    assert made_up.subjects == 0


async def test_several_studies_of_one_person_are_one_subject(
    omop: OmopAccess, engine: PostgresEngine
) -> None:
    query = (
        "SELECT accession_id FROM omop.image_occurrence WHERE person_id = (SELECT person_id FROM"
        " omop.image_occurrence GROUP BY person_id ORDER BY count(*) DESC, 1 LIMIT 1)"
    )
    summary = await summarise(engine, query)
    assert summary.subjects == 1
    assert summary.rows > 1


async def test_person_ids_go_before_studies(engine: PostgresEngine) -> None:
    summary = await summarise(engine, "SELECT accession_id, -1 AS person_id FROM omop.image_occurrence")
    assert summary.subjects == 0


async def test_query_that_names_nobody_cannot_be_counted(engine: PostgresEngine) -> None:
    assert await summarise(engine, "SELECT count(*) AS n FROM omop.person") is NOBODY
    assert await count_subjects(engine, "SELECT count(*) AS n FROM omop.person") is None


async def test_no_rows_have_no_subjects(engine: PostgresEngine) -> None:
    summary = await summarise(engine, "SELECT * FROM omop.person WHERE false")
    assert (summary.subjects, summary.rows) == (0, 0)
    assert DisclosureControl(10).release(summary) is None


async def test_query_with_hundreds_of_columns_is_counted(engine: PostgresEngine) -> None:
    columns = ", ".join(f"nullif(person_id % 2, {number % 2}) AS c{number}" for number in range(400))
    summary = await summarise(engine, f"SELECT person_id, {columns} FROM omop.person")
    assert (summary.subjects, len(summary.columns)) == (2000, 401)
    assert summary.values[1:] == (1000,) * 400
    release = DisclosureControl(10).release(summary)
    assert release is not None
    assert len(release.columns) == MAX_GAP_COLUMNS


async def test_wrong_names_are_told_as_such(engine: PostgresEngine) -> None:
    with pytest.raises(Refused, match=r"The column 'nothing' does not exist\."):
        await summarise(engine, "SELECT person_id, nothing FROM omop.person")


async def test_columns_that_would_have_one_label_are_refused(engine: PostgresEngine) -> None:
    """The numbers of one would pass for those of the other when a later answer is compared."""
    query = 'SELECT person_id, 1 AS "a\nb", CASE WHEN person_id <= 500 THEN 1 END AS a_b FROM person'
    with pytest.raises(
        Refused, match=r"Two columns have the same label, as '_' in a name is told"
    ) as refused:
        await summarise(engine, guard(query).sql)
    assert refused.value.status == 400


@pytest.fixture
def birthdays(omop: OmopAccess) -> Iterator[dict[int, date | datetime | None]]:
    """Persons 1 to 6 with telling birthdays; put back afterwards."""
    given = {
        1: datetime(2006, 2, 28, 23, 59),  # noqa: DTZ001 - OMOP has no time zones; 20 today
        2: datetime(2006, 3, 1),  # noqa: DTZ001 - 20 tomorrow
        3: datetime(2016, 2, 29),  # noqa: DTZ001 - not yet 10, whose birthdays are on leap days
        4: datetime(2026, 3, 1),  # noqa: DTZ001 - born tomorrow
        5: datetime(1800, 1, 1),  # noqa: DTZ001 - stands for unknown
        6: None,
    }
    columns = "birth_datetime, year_of_birth, month_of_birth, day_of_birth"
    with psycopg.connect(omop.dsn, autocommit=True) as connection:
        known = connection.execute(
            f"SELECT {columns}, person_id FROM omop.person WHERE person_id <= 6"
        ).fetchall()
        for person, moment in given.items():
            connection.execute(
                f"UPDATE omop.person SET ({columns}) = ROW (%s::timestamp, 1990, NULL, NULL) WHERE person_id = %s",
                [moment, person],
            )
        yield given
        for row in known:
            connection.execute(
                f"UPDATE omop.person SET ({columns}) = ROW (%s::timestamp, %s, %s, %s) WHERE person_id = %s",
                row,
            )


async def test_decades_turn_on_birthdays(engine: PostgresEngine, birthdays: object) -> None:
    summary = await summarise(engine, "SELECT person_id FROM omop.person WHERE person_id <= 6", TODAY)
    # The sixth has a year of birth only, which counts from its first day.
    assert summary.decades == {2: 1, 1: 1, 0: 1, None: 1, 15: 1, 3: 1}
    later = await summarise(
        engine, "SELECT person_id FROM omop.person WHERE person_id <= 6", replace_day(TODAY)
    )
    assert later.decades == {2: 2, 1: 1, 0: 1, 15: 1, 3: 1}


def replace_day(day: date) -> date:
    return day.replace(month=3, day=1)


async def test_many_kinds_of_subjects_come_back_as_the_commonest_and_sums(engine: PostgresEngine) -> None:
    """Everybody has another number of rows."""
    query = (
        "SELECT person_id, CASE WHEN n % 2 = 0 THEN n END AS even FROM omop.person"
        " CROSS JOIN generate_series(1, 2000) AS n WHERE person_id <= 1990 AND n <= person_id"
        " UNION ALL SELECT person_id, NULL FROM omop.visit_occurrence"
    )
    summary = await summarise(engine, query)
    assert summary.subjects == 2000
    text = await engine.aggregate(f"SELECT count(*) AS n, count(even) AS even FROM ({query}) AS cohort")
    assert (summary.rows, summary.values[1]) == (text["n"], text["even"])
    truth = await engine.aggregate(
        "SELECT count(*) FILTER (WHERE even > 0) AS holders, count(*) FILTER (WHERE even < n) AS lacking FROM"
        f" (SELECT count(*) AS n, count(even) AS even FROM ({query}) AS cohort GROUP BY person_id) AS subject"
    )
    assert (summary.holders[1], summary.lacking[1]) == (truth["holders"], truth["lacking"])
    cut = replace(summary, cells=summary.cells[:100], complete=False)
    release = DisclosureControl(10).release(cut)
    assert release is not None
    assert release.answer.record_count == summary.rows
