"""flip-utils, the client that FLIP's FL code uses, reads its dataframe from the running service.

Only what reading rows takes is installed beside it: NVFlare and PyTorch are for training.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from flame_node_agent.devstack.data_access_server import DataAccessServer
from flame_node_agent.devstack.omop.access import OmopAccess
from tests.acceptance.data_access_callers import Caller, caller_of
from tests.integration.devhub import published_clients

pytestmark = pytest.mark.xdist_group("published-clients")

QUERY = (
    "SELECT p.person_id, p.gender_source_value, i.accession_id, m.measurement_date, m.value_as_number"
    " FROM person p LEFT JOIN image_occurrence i ON i.person_id = p.person_id"
    " LEFT JOIN measurement m ON m.person_id = p.person_id WHERE p.person_id <= 200"
)


def read_rows(service: DataAccessServer, caller: Caller, project: str, query: str = QUERY) -> dict[str, Any]:
    orders = {"url": f"{service.url}/", "key": caller.internal_key, "project": project, "query": query}
    installed = published_clients.install("0.13", "flip-utils")
    ended = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("flip_reads_rows.py"))],
        input=json.dumps(orders),
        env={**os.environ, "PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    facts: dict[str, Any] = json.loads(ended.stdout)
    assert facts["version"] == "0.13.0"
    assert Path(facts["file"]).is_relative_to(installed)
    return facts


def test_real_client_gets_the_rows_of_the_approved_cohort(
    data_access: Callable[..., DataAccessServer], omop: OmopAccess
) -> None:
    service = data_access()
    caller = caller_of(service)
    project = uuid4()
    assert caller.post("/cohort/snapshot", project, QUERY).status_code == 200
    facts = read_rows(service, caller, caller.sealed(project))
    with psycopg.connect(omop.dsn, options="-c search_path=omop") as connection:
        expected = connection.execute(QUERY.encode()).fetchall()
    assert facts["columns"] == [
        "person_id",
        "gender_source_value",
        "accession_id",
        "measurement_date",
        "value_as_number",
    ]
    assert facts["rows"] == len(expected)
    assert facts["ids"] == sorted(row[0] for row in expected)
    assert list(facts["missing"].values()) == [
        sum(row[place] is None for row in expected) for place in range(5)
    ]
    assert facts["types"][0] == "int64"
    assert facts["types"][4] == "float64"


def test_real_client_is_told_why_it_gets_nothing(data_access: Callable[..., DataAccessServer]) -> None:
    service = data_access()
    caller = caller_of(service)
    facts = read_rows(service, caller, caller.sealed(uuid4()))
    assert (facts["refused"], facts["detail"]) == (
        403,
        "No approved cohort snapshot exists for this project.",
    )


def test_real_client_of_an_older_hub_runs_its_own_query(data_access: Callable[..., DataAccessServer]) -> None:
    service = data_access(COHORT_ROW_LEVEL="live")
    caller = caller_of(service)
    query = "SELECT person_id FROM person WHERE person_id <= 40"
    assert read_rows(service, caller, caller.sealed(uuid4()), query)["ids"] == list(range(1, 41))
    few = read_rows(service, caller, caller.sealed(uuid4()), query.replace("40", "4"))
    assert few["refused"] == 403
