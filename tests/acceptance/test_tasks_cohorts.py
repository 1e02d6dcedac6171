"""Cohort queries from the hub through agent and data-access-api to PostgreSQL and back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import psycopg
import pytest

from flame_node_agent.devstack.data_access_server import DataAccessServer
from flame_node_agent.devstack.omop.access import OmopAccess
from flame_node_agent.devstack.testing import LazyParts
from tests.acceptance.commands import flame_node
from tests.acceptance.hub_agents import Trust, awaited
from tests.acceptance.task_witness import Witness, watched_trust

THRESHOLD = 10
COHORT = "SELECT person_id, race_source_value, birth_datetime FROM omop.person WHERE year_of_birth < 1980"
SMALL = "SELECT person_id, year_of_birth FROM omop.person WHERE person_id BETWEEN 701 AND 704"
NOBODY = "SELECT person_id, year_of_birth FROM omop.person WHERE person_id < 0"
FORBIDDEN_PROJECT = str(uuid4())
POLICY = f"""
[[access.rule]]
id = "everybody"
action = "cohort.statistics"
effect = "permit"

[[access.rule]]
id = "not-this-project"
action = "cohort.statistics"
effect = "deny"
projects = ["{FORBIDDEN_PROJECT}"]
"""


class Site(NamedTuple):
    """All processes of one trust, and its hub."""

    trust: Trust
    witness: Witness
    data_access: DataAccessServer

    def ask(self, query: str, project_id: str | None = None) -> tuple[dict[str, Any], dict[str, Any]]:
        """Ask for a cohort: the closed task, and what has left for the hub's cohort results, without its ids."""
        query_id = str(uuid4())
        task = self.trust.closed(
            self.trust.hub.order_task(
                "cohort_query",
                query=query,
                query_name="cohort",
                query_id=query_id,
                project_id=project_id or str(uuid4()),
            )
        )
        sent = [each.sent() for each in self.witness.seen("POST", "/cohort/results")]
        (body,) = [each for each in sent if each["query_id"] == query_id]
        return task, {name: value for name, value in body.items() if name != "query_id"}

    def refusal(self, query: str) -> str:
        """Ask for a cohort that is refused: the error of the task."""
        task, body = self.ask(query)
        assert task["status"] == "FAILED"
        error = str(json.loads(task["result"])["error"])
        assert (body["record_count"], body["data"], body["error"]) == (0, [], error)
        return error

    def logs(self) -> str:
        """All that agent, data-access-api and hub have logged."""
        files = (
            self.trust.agent.directory / "agent.log",
            self.data_access.directory / "data-access.log",
            self.trust.hub.server.directory / "hub.log",
        )
        return "\n".join(file.read_text("utf-8", "replace") for file in files)


@pytest.fixture(scope="module")
def site(parts: LazyParts, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    hub, directory = parts.hub(fresh=True), tmp_path_factory.mktemp("trust")
    policy = directory / "policy.toml"
    policy.write_text(POLICY)
    service = parts.data_access_environment(hub, ACCESS_POLICY_FILE=str(policy), LOG__LEVEL="DEBUG")
    with (
        parts.data_access(service) as data_access,
        watched_trust(parts, directory, hub, data_access.url) as (trust, witness),
    ):
        yield Site(trust, witness, data_access)


def results(body: dict[str, Any], name: str) -> dict[str, int]:
    """One group of what has left."""
    (found,) = [group["results"] for group in body["data"] if group["name"] == name]
    return {entry["value"]: entry["count"] for entry in found}


def test_numbers_of_a_large_cohort_are_what_the_owner_of_the_database_counts(
    site: Site, omop: OmopAccess
) -> None:
    task, body = site.ask(COHORT)
    with psycopg.connect(omop.dsn) as owner:
        counts = owner.execute(
            f"SELECT count(*), count(race_source_value), count(birth_datetime) FROM ({COHORT}) AS c"
        ).fetchone()
        sexes = dict(
            owner.execute(
                "SELECT coalesce(gender_source_value, 'Unknown'), count(*) FROM omop.person"
                " WHERE year_of_birth < 1980 GROUP BY 1"
            ).fetchall()
        )
    assert counts is not None
    assert (task["status"], task["result"]) == ("COMPLETED", None)
    assert (body["record_count"], body["suppressed"]) == (counts[0], False)
    told = results(body, "Counts")
    assert told["person\nid"] == counts[0]
    expected = {"person\nid": counts[0], "race\nsource\nvalue": counts[1], "birth\ndatetime": counts[2]}
    assert told.items() <= expected.items()
    told_sexes = results(body, "Sex Distribution")
    assert sum(told_sexes.values()) == counts[0]
    assert all(told_sexes[sex] == sexes[sex] for sex in told_sexes if sex != "Other")
    assert {"M", "F"} & set(told_sexes)


def test_ages_are_those_the_owner_of_the_database_counts(site: Site, omop: OmopAccess) -> None:
    """Of persons with a birthday; each decade that is told alone is exact, and together they are the cohort."""
    query = "SELECT person_id FROM omop.person WHERE birth_datetime IS NOT NULL AND person_source_value NOT LIKE 'Q%'"
    _, body = site.ask(query)
    with psycopg.connect(omop.dsn) as owner:
        owner.execute("SET TIME ZONE 'UTC'")
        ages = dict(
            owner.execute(
                "SELECT extract(year FROM age(current_date, birth_datetime))::int / 10 * 10, count(*)"
                " FROM omop.person WHERE birth_datetime IS NOT NULL GROUP BY 1"
            ).fetchall()
        )
    told = results(body, "Age Distribution")
    assert sum(told.values()) == sum(ages.values()) == body["record_count"]
    exact = {f"{decade}-{decade + 9}": count for decade, count in ages.items()}
    alone = {value: count for value, count in told.items() if value in exact}
    assert len(alone) >= 5
    assert alone.items() <= exact.items()


def test_no_number_that_leaves_is_below_the_threshold(site: Site) -> None:
    _, body = site.ask(COHORT)
    numbers = [entry["count"] for group in body["data"] for entry in group["results"]]
    assert numbers
    assert min(numbers) >= THRESHOLD


def test_small_empty_and_forbidden_cohorts_leave_with_the_same_bytes(site: Site) -> None:
    """Zero, too small, and denied by the trust's policy: nobody at the hub can tell which."""
    tasks, bodies = zip(
        *(site.ask(NOBODY), site.ask(SMALL), site.ask(COHORT, FORBIDDEN_PROJECT)), strict=True
    )
    assert [(task["status"], task["result"]) for task in tasks] == [("COMPLETED", None)] * 3
    assert bodies[0] == bodies[1] == bodies[2]
    assert (bodies[0]["record_count"], bodies[0]["data"], bodies[0]["suppressed"]) == (0, [], True)


def test_what_a_forbidden_project_may_not_know_another_one_is_told(site: Site) -> None:
    """The counterpart of the test above: the cohort that was denied is a large one."""
    _, body = site.ask(COHORT)
    assert body["record_count"] > THRESHOLD


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ("DROP TABLE omop.telltale_a", "400: Only SELECT statements are allowed."),
        ("SELECT 1; SELECT telltale_b", "400: Exactly one SQL statement is allowed per request."),
        (
            "WITH telltale_c AS (DELETE FROM omop.person RETURNING 1) SELECT * FROM telltale_c",
            "400: Data-modifying statements are not allowed.",
        ),
        (
            "SELECT person_id FROM omop.person LIMIT (SELECT count(*) AS telltale_d FROM omop.person)",
            "400: LIMIT must be a literal integer.",
        ),
        (
            "SELECT oid AS telltale_e FROM pg_catalog.pg_authid",
            "400: Schema 'pg_catalog' is not accessible. Only the 'omop' schema is allowed.",
        ),
        ("SELECT person_id FROM omop.no_such_table", "400: The table 'omop.no_such_table' does not exist."),
        ("SELECT no_such_column FROM omop.person", "400: The column 'no_such_column' does not exist."),
    ],
)
def test_refusals_reach_the_hub_in_the_words_of_the_contract(site: Site, query: str, error: str) -> None:
    assert site.refusal(query) == error


def test_functions_that_wait_or_read_files_are_refused(site: Site) -> None:
    for call in ("pg_sleep(9)", "pg_read_file('/etc/telltale_f')", "dblink('telltale_g', '')"):
        assert "is not an allowed function" in site.refusal(f"SELECT person_id, {call} FROM omop.person")


def test_patients_are_all_there_after_the_attacks(site: Site, omop: OmopAccess) -> None:
    site.refusal("DELETE FROM omop.person")
    with psycopg.connect(omop.dsn) as owner:
        assert owner.execute("SELECT count(*) FROM omop.person").fetchone() == (omop.persons,)


def test_no_log_of_any_process_holds_a_query_or_a_secret(site: Site, omop: OmopAccess) -> None:
    query = "SELECT person_id AS telltale_h FROM omop.person WHERE race_source_value <> 'telltale_i'"
    site.ask(query)
    site.refusal("SELECT telltale_j FROM omop.person")
    site.refusal("SELECT 'telltale_k")
    logs = site.logs()
    assert "task.finished" in logs
    seed = site.trust.hub.seed.trust
    for secret in (
        "telltale",
        "race_source_value",
        "omop.person WHERE",
        seed.api_key,
        seed.aes_key_base64,
        seed.internal_service_key,
        omop.reader_password,
        omop.owner.password,
    ):
        assert secret not in logs


def test_ledger_has_a_row_for_each_cohort_result_and_each_report(site: Site, tmp_path: Path) -> None:
    site.ask(COHORT)
    site.ask(SMALL)
    site.refusal("DELETE FROM omop.person")
    settings = ("--env-file", str(site.trust.agent.env_file))
    # A task is closed at the hub a moment before that is noted here.
    reports = {each.request.path.split("/")[-2] for each in site.witness.seen("POST", "/result")}
    reports.discard("cohort")

    def exported() -> list[dict[str, Any]] | None:
        ended = flame_node(
            "ledger", "export", "--format", "jsonl", *settings, environment={}, directory=tmp_path
        )
        rows = [json.loads(line) for line in ended.stdout.splitlines()]
        return rows if {row["upload_id"] for row in rows} >= reports else None

    rows = awaited(exported)
    asked = {each.sent()["query_id"] for each in site.witness.seen("POST", "/cohort/results")}
    assert {row["name"] for row in rows if row["kind"] == "cohort_result"} == asked
    assert {row["upload_id"] for row in rows if row["kind"] == "task_result"} == reports
    assert len(rows) == len(asked) + len(reports)
    ended = flame_node("ledger", "verify", *settings, environment={}, directory=tmp_path)
    assert (ended.returncode, ended.stdout.split(",")[0]) == (0, f"The ledger holds: {len(rows)} rows")
