"""Frozen cohorts on real databases: the first freeze stands, and from then on a cohort can only shrink."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
from structlog.testing import capture_logs

from flame_node_agent.cohort.policy import Policy
from flame_node_agent.cohort.snapshots import Member, Snapshot, query_hash
from flame_node_agent.devstack.omop.access import OmopAccess
from flame_node_agent.devstack.postgres import PostgresAccess
from tests.integration.cohort.service_ground import Service, serving

TOO_SMALL = (403, {"detail": "Cohort is too small for row-level data to be released."})
NO_SNAPSHOT = (403, {"detail": "No approved cohort snapshot exists for this project."})
ADULTS = "SELECT person_id, gender_source_value FROM person WHERE person_id <= 500"
IMAGED = "SELECT p.person_id, i.accession_id FROM person p LEFT JOIN image_occurrence i ON i.person_id = p.person_id"
STUDIES = "SELECT accession_id, modality FROM image_occurrence"


@pytest.fixture(scope="module")
async def service(
    new_omop: Callable[[int], OmopAccess], postgres_database: Callable[[], PostgresAccess]
) -> AsyncIterator[Service]:
    """On an OMOP database that these tests change."""
    async with serving(new_omop(2000), postgres_database, CACHE_TTL_DAYS="0.0000001") as running:
        yield running


async def test_freeze_tells_facts_and_no_row(service: Service) -> None:
    before = datetime.now(UTC)
    answer = await service.post("/cohort/snapshot", uuid.uuid4(), ADULTS)
    facts = answer.json()
    assert answer.status_code == 200
    assert before <= datetime.fromisoformat(facts.pop("snapshot_at")) <= datetime.now(UTC)
    assert facts == {
        "row_count": len(service.omop_rows(ADULTS)),
        "columns": ["person_id", "gender_source_value"],
        "has_accessions": False,
        "query_hash": query_hash(ADULTS),
    }


async def test_first_freeze_stands(service: Service) -> None:
    project = uuid.uuid4()
    first = (await service.post("/cohort/snapshot", project, ADULTS)).json()
    rows = await service.dataframe(project)
    with capture_logs() as logs:
        again = await service.post("/cohort/snapshot", project, "SELECT person_id FROM person")
    assert (again.status_code, again.json()) == (200, first)
    assert [entry["project"] for entry in logs if entry["event"] == "snapshot.other_query_kept"] == [
        str(project)
    ]
    assert await service.dataframe(project) == rows


async def test_of_freezes_at_the_same_time_one_stands(service: Service) -> None:
    project = uuid.uuid4()
    queries = [f"SELECT person_id FROM person WHERE person_id <= {size}" for size in (100, 200, 300, 400)]
    answers = await asyncio.gather(*(service.post("/cohort/snapshot", project, query) for query in queries))
    hashes = {answer.json()["query_hash"] for answer in answers}
    assert len(hashes) == 1
    size = {query_hash(query): 100 * place for place, query in enumerate(queries, start=1)}[hashes.pop()]
    assert len((await service.dataframe(project))["person_id"]) == size


async def test_patients_who_are_new_or_gone_are_not_in_the_rows(service: Service) -> None:
    query = "SELECT person_id FROM person WHERE person_id BETWEEN 1900 AND 1999 OR person_id > 2000"
    project = await service.freeze(query)
    service.change_omop("DELETE FROM person WHERE person_id = 1950")
    service.change_omop(
        "INSERT INTO person (person_id, gender_concept_id, year_of_birth, race_concept_id, ethnicity_concept_id)"
        " VALUES (2001, 8507, 1970, 0, 0)"
    )
    try:
        rows = await service.dataframe(project)
        assert sorted(rows["person_id"]) == [number for number in range(1900, 2000) if number != 1950]
    finally:
        service.change_omop("DELETE FROM person WHERE person_id = 2001")


async def test_cohort_that_has_shrunk_below_the_threshold_is_refused(service: Service) -> None:
    project = await service.freeze("SELECT person_id FROM person WHERE person_id BETWEEN 1880 AND 1889")
    assert len((await service.dataframe(project))["person_id"]) == 10
    service.change_omop("DELETE FROM person WHERE person_id = 1880")
    answer = await service.post("/cohort/dataframe", project)
    assert (answer.status_code, answer.json()) == TOO_SMALL


async def test_new_studies_of_frozen_patients_are_not_in_the_rows(service: Service) -> None:
    project = await service.freeze(IMAGED)
    before = await service.dataframe(project)
    service.change_omop(
        "INSERT INTO image_occurrence (image_occurrence_id, person_id, image_occurrence_date, image_study_uid,"
        " image_series_uid, modality_concept_id, accession_id)"
        " SELECT 9000001, min(person_id), '2026-01-01', '1', '1', 0, 'NEW' FROM image_occurrence"
    )
    try:
        after = await service.dataframe(project)
        assert "NEW" not in after["accession_id"]
        assert sorted(map(str, after["accession_id"])) == sorted(map(str, before["accession_id"]))
        ids = (await service.post("/cohort/accession-ids", project)).json()["accession_ids"]
        assert "NEW" not in ids
    finally:
        service.change_omop("DELETE FROM image_occurrence WHERE image_occurrence_id = 9000001")


async def test_rows_without_a_study_of_frozen_patients_stay(service: Service) -> None:
    rows = await service.dataframe(await service.freeze(IMAGED))
    assert None in rows["accession_id"]
    assert len(rows["person_id"]) == len(service.omop_rows(IMAGED))


async def test_accession_ids_are_the_frozen_ones_that_are_still_studies(service: Service) -> None:
    project = await service.freeze(STUDIES)
    existing = f"{STUDIES} JOIN person USING (person_id) WHERE accession_id IS NOT NULL"
    frozen = {row[0] for row in service.omop_rows(existing)}
    gone = min(frozen)
    first = (await service.post("/cohort/accession-ids", project)).json()
    assert set(first["accession_ids"]) == frozen
    assert len(first["accession_ids"]) == len(frozen)
    service.change_omop(f"UPDATE image_occurrence SET accession_id = NULL WHERE accession_id = '{gone}'")
    second = (await service.post("/cohort/accession-ids", project)).json()
    assert set(second["accession_ids"]) == frozen - {gone}


async def test_tabular_cohort_has_an_empty_list_of_accession_ids(service: Service) -> None:
    answer = await service.post("/cohort/accession-ids", await service.freeze(ADULTS))
    assert (answer.status_code, answer.json()) == (200, {"accession_ids": []})


async def test_cohort_of_studies_says_so(service: Service) -> None:
    answer = await service.post("/cohort/snapshot", uuid.uuid4(), STUDIES)
    assert answer.json()["has_accessions"] is True


@pytest.mark.parametrize("persons", [0, 1, 9])
async def test_small_cohort_is_not_frozen(service: Service, persons: int) -> None:
    project = uuid.uuid4()
    query = f"SELECT person_id FROM person WHERE person_id <= {persons}"
    answer = await service.post("/cohort/snapshot", project, query)
    assert (answer.status_code, answer.json()) == TOO_SMALL
    assert await service.store.find(project) is None


async def test_number_of_rows_tells_no_more_than_statistics_would(service: Service) -> None:
    """A query that differs by one patient from an answered one is too similar, also when it is frozen."""
    project = uuid.uuid4()
    assert (await service.post("/cohort", project, ADULTS)).json()["record_count"] == 500
    similar = await service.post("/cohort/snapshot", project, ADULTS.replace("500", "499"))
    assert (similar.status_code, similar.json()) == TOO_SMALL
    same = await service.post("/cohort/snapshot", project, ADULTS)
    assert same.json()["row_count"] == 500


async def test_uncountable_cohort_is_told_what_it_lacks(service: Service) -> None:
    answer = await service.post("/cohort/snapshot", uuid.uuid4(), "SELECT gender_source_value FROM person")
    assert answer.status_code == 400
    assert answer.json()["detail"] == (
        "Cohort query must expose the subjects it covers so the disclosure threshold can be applied per subject: "
        "add a person_id column to the SELECT list, or an accession_id column for an imaging cohort."
    )


async def test_deleted_snapshot_is_gone_with_its_members(service: Service) -> None:
    project = await service.freeze(ADULTS)
    assert (await service.post("/cohort/snapshot/delete", project)).json() == {"deleted": True}
    assert (await service.post("/cohort/snapshot/delete", project)).json() == {"deleted": False}
    answer = await service.post("/cohort/dataframe", project)
    assert (answer.status_code, answer.json()) == NO_SNAPSHOT
    left = await service.database.execute(
        "SELECT count(*) AS n FROM cohort_snapshot_member WHERE project_id = %(project)s",
        {"project": project},
    )
    assert left[0]["n"] == 0
    await service.freeze("SELECT person_id FROM person WHERE person_id <= 600", project)


async def test_oversized_cohort_is_not_frozen(
    omop: OmopAccess, postgres_database: Callable[[], PostgresAccess]
) -> None:
    async with serving(omop, postgres_database, SNAPSHOT_MAX_BYTES="1000") as service:
        project = uuid.uuid4()
        answer = await service.post("/cohort/snapshot", project, ADULTS)
        assert (answer.status_code, answer.json()) == (
            413,
            {"detail": "Cohort snapshot exceeds the configured size limit."},
        )
        assert await service.store.find(project) is None
        await service.freeze("SELECT person_id FROM person WHERE person_id <= 20")


async def test_without_a_store_nothing_is_frozen_or_served(
    omop: OmopAccess, postgres_database: Callable[[], PostgresAccess]
) -> None:
    expected = (503, {"detail": "Cohort snapshot store is not configured on this trust."})
    async with serving(omop, postgres_database, COHORT_SNAPSHOTS="false") as service:
        for path in (
            "/cohort/snapshot",
            "/cohort/snapshot/delete",
            "/cohort/dataframe",
            "/cohort/accession-ids",
        ):
            answer = await service.post(path, uuid.uuid4(), ADULTS)
            assert (answer.status_code, answer.json()) == expected


@pytest.mark.parametrize("path", ["/cohort/dataframe", "/cohort/accession-ids", "/cohort/snapshot"])
async def test_unreadable_store_is_not_taken_for_an_empty_one(
    omop: OmopAccess, postgres_database: Callable[[], PostgresAccess], path: str
) -> None:
    async with serving(omop, postgres_database) as service:
        project = await service.freeze(ADULTS)
        await service.database.execute("ALTER TABLE cohort_snapshot RENAME TO away")
        answer = await service.post(path, project, ADULTS)
        assert (answer.status_code, answer.json()) == (500, {"detail": "Cohort snapshot store read failed."})
        await service.database.execute("ALTER TABLE away RENAME TO cohort_snapshot")
        await service.dataframe(project)


async def test_freeze_that_breaks_off_leaves_nothing(service: Service) -> None:
    project = uuid.uuid4()

    async def members() -> AsyncIterator[Sequence[Member]]:
        yield [("person", str(number)) for number in range(10_000)]
        raise psycopg.OperationalError("the OMOP database has gone")

    snapshot = Snapshot(project, ADULTS, query_hash(ADULTS), 500, 500, ("person_id",), datetime.now(UTC))
    with pytest.raises(Exception, match=r"PostgreSQL|gone"):
        await service.store.freeze(snapshot, members())
    assert await service.store.find(project) is None
    assert await service.store.members_among(project, "person", ["1", "2"]) == frozenset()
    assert [page async for page in service.store.pages(project, "person")] == []


async def test_snapshot_is_read_back_as_it_was_kept(service: Service) -> None:
    project = uuid.uuid4()

    async def members() -> AsyncIterator[Sequence[Member]]:
        yield [("person", "1"), ("person", "2")]
        yield [("accession", "A\tB\\")]

    snapshot = Snapshot(
        project, "SELECT 'ü'", "0" * 64, 7, 2, ("person_id", "accession_id"), datetime.now(UTC)
    )
    assert await service.store.freeze(snapshot, members()) == snapshot
    assert await service.store.find(project) == snapshot
    assert await service.store.members_among(project, "person", ["2", "3"]) == frozenset({"2"})
    assert [page async for page in service.store.pages(project, "accession")] == [["A\tB\\"]]


async def test_raised_floor_applies_to_cohorts_that_were_frozen_before(
    omop: OmopAccess, postgres_database: Callable[[], PostgresAccess], tmp_path: Path
) -> None:
    access = postgres_database()
    async with serving(omop, lambda: access) as service:
        project = await service.freeze("SELECT person_id FROM person WHERE person_id <= 30")
    policy = tmp_path / "policy.toml"
    policy.write_text("[disclosure]\nmin_cohort_size = 31\n")
    async with serving(omop, lambda: access, Policy.load(policy, 10)) as service:
        for path in ("/cohort/dataframe", "/cohort/accession-ids"):
            answer = await service.post(path, project)
            assert (answer.status_code, answer.json()) == TOO_SMALL
