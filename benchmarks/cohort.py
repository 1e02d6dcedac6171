"""Cohort statistics through data-access-api, in turn with one SQL statement by hand for the same numbers."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

import httpx
import psycopg
from pydantic import SecretStr

from benchmarks.stack import Stack
from flame_node_agent.crypto.envelope import Keyring


@dataclass(frozen=True)
class Cohort:
    """A cohort to count: its name, its columns, and the rest of the query."""

    name: str
    columns: tuple[str, ...]
    source: str

    def query(self, turn: int) -> str:
        """The same rows at every turn, in another text, so that no answer is remembered."""
        return f"SELECT {', '.join(self.columns)} FROM {self.source} AND person_id > {-turn}"


HALVES = (
    Cohort(
        "persons",
        ("person_id", "gender_source_value", "year_of_birth", "race_source_value"),
        "omop.person WHERE person_id % 2 = 0",
    ),
    Cohort(
        "measurements",
        ("person_id", "measurement_concept_id", "value_as_number", "unit_source_value"),
        "omop.measurement WHERE person_id % 2 = 0",
    ),
)
"""Half of the population, with one row for a person, and with several."""


@dataclass(frozen=True)
class CohortTime:
    """Medians in seconds for a cohort of ``rows`` rows."""

    name: str
    rows: int
    service: float
    by_hand: float

    @property
    def ratio(self) -> float:
        """How much longer the service takes."""
        return self.service / self.by_hand


def cohort_times(stack: Stack, repeats: int, say: Callable[[str], None]) -> list[CohortTime]:
    """Count each cohort in turn with both."""
    facts = stack.ready["task_hub"]
    keyring = Keyring.of(_Keys(facts["aes_key_base64"]))
    times = []
    with (
        httpx.Client(base_url=stack.ready["data_access_url"], trust_env=False, timeout=300) as service,
        psycopg.connect(stack.ready["omop"]["reader_dsn"], autocommit=True) as connection,
    ):
        service.headers["X-Trust-Internal-Service-Key"] = facts["internal_service_key"]

        def through_service(query: str) -> int:
            answer = service.post(
                "/cohort",
                json={
                    # A project of its own: what the statistics cost, without comparisons with earlier answers.
                    "encrypted_project_id": keyring.encrypt(str(uuid.uuid4()), "project_id"),
                    "query_id": str(uuid.uuid4()),
                    "query_name": "benchmark",
                    "query": query,
                    "trust_id": facts["trust_id"],
                },
            ).raise_for_status()
            return int(answer.json()["record_count"])

        for cohort in HALVES:
            service_seconds, hand_seconds, rows = [], [], 0
            for turn in range(repeats + 1):
                say(f"{cohort.name}, {turn} of {repeats}")
                began = time.perf_counter()
                rows = through_service(cohort.query(turn))
                middle = time.perf_counter()
                row = connection.execute(_by_hand(cohort, turn).encode()).fetchone()
                ended = time.perf_counter()
                if row is None or row[0][0] != rows:
                    raise RuntimeError(f"{cohort.name}: {rows} rows, by hand {row and row[0][0]}")
                if turn:  # the first turn warms both
                    service_seconds.append(middle - began)
                    hand_seconds.append(ended - middle)
            times.append(CohortTime(cohort.name, rows, median(service_seconds), median(hand_seconds)))
    return times


def _by_hand(cohort: Cohort, turn: int) -> str:
    """Counts, ages by decade and sexes, as somebody would write it who trusts the reader with every number."""
    return f"""
WITH cohort AS ({cohort.query(turn)}),
subject AS (SELECT DISTINCT person_id FROM cohort),
bucket AS MATERIALIZED (
    SELECT floor(extract(year FROM age(birth_datetime)) / 10) AS decade, gender_source_value AS sex, count(*) AS n
    FROM subject JOIN omop.person USING (person_id) GROUP BY 1, 2
)
SELECT (SELECT json_build_array(count(*), {", ".join(f"count({column})" for column in cohort.columns)}) FROM cohort),
       (SELECT json_agg(json_build_array(decade, n)) FROM (SELECT decade, sum(n) AS n FROM bucket GROUP BY 1) AS a),
       (SELECT json_agg(json_build_array(sex, n)) FROM (SELECT sex, sum(n) AS n FROM bucket GROUP BY 1) AS s)"""


@dataclass(frozen=True)
class _Keys:
    """What :class:`Keyring` wants of settings."""

    key: str

    @property
    def aes_key_base64(self) -> SecretStr:
        return SecretStr(self.key)

    @property
    def trust_aes_kid(self) -> None:
        return None

    @property
    def trust_aes_key_base64(self) -> None:
        return None

    @property
    def aes_accept_legacy_cbc(self) -> bool:
        return False
