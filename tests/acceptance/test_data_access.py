"""`flame-node data-access` as a process: with and without its databases, until it is told to stop."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from uuid import uuid4

import httpx
import psutil
import psycopg
import pytest

from flame_node_agent import __version__
from flame_node_agent.devstack.data_access_server import DataAccessServer
from flame_node_agent.devstack.omop.access import OmopAccess
from flame_node_agent.devstack.ports import free_ports
from tests.acceptance.data_access_callers import PATIENCE_SECONDS, caller_of

MEBIBYTE = 2**20
ADULTS = "SELECT person_id, gender_source_value FROM person"
ENDLESS = (
    "SELECT a.person_id FROM person a CROSS JOIN person b CROSS JOIN person c"
    " WHERE a.person_id + b.person_id > c.person_id"
)

type Start = Callable[..., DataAccessServer]


def log_of(service: DataAccessServer) -> str:
    return (service.directory / "data-access.log").read_text()


def await_truth(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def running_queries(omop: OmopAccess) -> int:
    """Statements that run for data-access-api on this OMOP database."""
    with psycopg.connect(omop.dsn) as connection:
        found = connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state = 'active'"
            " AND usename = 'data_analyst_reader'"
        ).fetchone()
    assert found is not None
    return int(found[0])


def test_service_tells_statistics_and_freezes_and_serves(data_access: Start) -> None:
    service = data_access()
    caller = caller_of(service)
    project = uuid4()
    statistics = caller.post("/cohort", project, ADULTS)
    assert statistics.status_code == 200
    assert (statistics.json()["record_count"], statistics.json()["suppressed"]) == (2000, False)
    small = caller.post("/cohort", project, f"{ADULTS} WHERE person_id < 5")
    assert (small.json()["record_count"], small.json()["suppressed"]) == (0, True)
    assert caller.post("/cohort/snapshot", project, ADULTS).json()["row_count"] == 2000
    assert len(caller.post("/cohort/dataframe", project).json()["person_id"]) == 2000
    assert caller.post("/cohort/accession-ids", project).json() == {"accession_ids": []}
    assert caller.post("/cohort/snapshot/delete", project).json() == {"deleted": True}
    assert caller.post("/cohort/dataframe", project).status_code == 403


def test_log_has_one_line_a_request_and_neither_sql_nor_keys(data_access: Start) -> None:
    service = data_access(LOG__LEVEL="DEBUG")
    caller = caller_of(service)
    project = uuid4()
    telltale = f"{ADULTS} WHERE race_source_value <> 'telltale'"
    for path in ("/cohort", "/cohort/snapshot", "/cohort/dataframe"):
        assert caller.post(path, project, telltale).status_code == 200
    assert caller.post("/cohort", project, "SELECT telltale FROM person").status_code == 400
    assert caller.post("/cohort", project, "SELECT 1/0 AS telltale FROM person").status_code in {200, 500}
    # The line about a request is written after the last byte of its answer.
    await_truth(lambda: log_of(service).count('"request.finished"') >= 5)
    log = log_of(service)
    assert log.count('"request.finished"') == 5
    for secret in ("telltale", caller.internal_key, caller.aes_key, "race_source", caller.sealed(project)):
        assert secret not in log


def test_service_starts_and_says_so_while_both_databases_are_away(
    data_access: Start, postgres_database: Callable[[], object]
) -> None:
    (nowhere,) = free_ports(1)
    service = data_access(POSTGRES__HOST="127.0.0.1", POSTGRES__PORT=str(nowhere), OMOP_DB_PORT=str(nowhere))
    caller = caller_of(service, when_ready=False)
    assert caller.http.get("/health").json() == {"status": "ok", "version": __version__}
    assert set(caller.http.get("/readyz").json()["missing"]) == {"omop_database", "state_database"}
    statistics = caller.post("/cohort", uuid4(), ADULTS)
    assert (statistics.status_code, statistics.json()) == (503, {"detail": "query_failed"})
    rows = caller.post("/cohort/dataframe", uuid4())
    assert (rows.status_code, rows.json()) == (500, {"detail": "Cohort snapshot store read failed."})
    delete = caller.post("/cohort/snapshot/delete", uuid4())
    assert (delete.status_code, delete.json()) == (503, {"detail": "The database is unavailable"})
    assert delete.headers["retry-after"]


def test_caller_that_goes_takes_its_query_along(data_access: Start, omop: OmopAccess) -> None:
    service = data_access(COHORT_ROW_LEVEL="live")
    caller = caller_of(service)
    for number, path in enumerate(("/cohort", "/cohort/dataframe"), start=1):
        with pytest.raises(httpx.ReadTimeout):
            caller.http.post(path, json=caller.body(uuid4(), ENDLESS), headers=caller.headers, timeout=2)
        await_truth(lambda number=number: len(re.findall(r'"status": 499', log_of(service))) == number)
        await_truth(lambda: running_queries(omop) == 0)


def test_caller_that_goes_in_the_middle_of_an_answer_takes_its_query_along(
    data_access: Start, omop: OmopAccess
) -> None:
    service = data_access(COHORT_ROW_LEVEL="live")
    caller = caller_of(service)
    query = "SELECT p.person_id, g.n FROM person p CROSS JOIN generate_series(1, 1000) AS g(n)"
    with caller.http.stream(
        "POST", "/cohort/dataframe", json=caller.body(uuid4(), query), headers=caller.headers
    ) as answer:
        assert answer.status_code == 200
        next(answer.iter_raw())
    await_truth(lambda: running_queries(omop) == 0)
    await_truth(lambda: '"complete": false' in log_of(service))


def test_memory_stays_flat_whatever_the_size_of_an_answer(data_access: Start) -> None:
    service = data_access(COHORT_ROW_LEVEL="live")
    caller = caller_of(service)
    query = (
        "SELECT p.person_id, g.n, md5(concat(p.person_id, g.n)) AS a, md5(concat(g.n)) AS b, p.gender_source_value AS c"
        " FROM person p CROSS JOIN generate_series(1, 500) AS g(n)"
    )
    process, peak, done = psutil.Process(service.child.pid), [0], threading.Event()

    def watch() -> None:
        while not done.wait(0.02):
            peak[0] = max(peak[0], process.memory_info().rss)

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        received = 0
        with caller.http.stream(
            "POST", "/cohort/dataframe", json=caller.body(uuid4(), query), headers=caller.headers
        ) as answer:
            assert answer.status_code == 200
            for chunk in answer.iter_raw():
                received += len(chunk)
    finally:
        done.set()
        watching.join()
    assert received > 70 * MEBIBYTE
    assert peak[0] < 150 * MEBIBYTE, (
        f"{peak[0] / MEBIBYTE:.0f} MiB for an answer of {received / MEBIBYTE:.0f} MiB"
    )


def test_other_requests_are_answered_while_a_large_one_is(data_access: Start) -> None:
    service = data_access(COHORT_ROW_LEVEL="live")
    caller = caller_of(service)
    query = "SELECT p.person_id, g.n FROM person p CROSS JOIN generate_series(1, 200) AS g(n)"
    with caller.http.stream(
        "POST", "/cohort/dataframe", json=caller.body(uuid4(), query), headers=caller.headers
    ) as answer:
        assert answer.status_code == 200
        other = caller_of(service)
        assert other.post("/cohort", uuid4(), ADULTS).json()["record_count"] == 2000
        assert sum(len(chunk) for chunk in answer.iter_raw()) > MEBIBYTE


@pytest.mark.parametrize("wanted", [signal.SIGTERM, signal.SIGINT])
def test_service_ends_in_order(data_access: Start, wanted: signal.Signals) -> None:
    service = data_access()
    process = psutil.Process(service.child.pid)
    process.send_signal(wanted)
    await_truth(lambda: not process.is_running() or process.status() == psutil.STATUS_ZOMBIE)
    log = log_of(service)
    assert [event for event in ("stopping", "stopped") if f'"data_access.{event}"' in log] == [
        "stopping",
        "stopped",
    ]


def test_answer_that_has_begun_is_finished_before_the_end(data_access: Start) -> None:
    service = data_access(COHORT_ROW_LEVEL="live")
    caller = caller_of(service)
    query = "SELECT p.person_id, g.n FROM person p CROSS JOIN generate_series(1, 100) AS g(n)"
    with caller.http.stream(
        "POST", "/cohort/dataframe", json=caller.body(uuid4(), query), headers=caller.headers
    ) as answer:
        psutil.Process(service.child.pid).send_signal(signal.SIGTERM)
        answer.read()
    assert len(answer.json()["n"]) == 200_000


def test_interface_is_described_everywhere_but_in_production(data_access: Start) -> None:
    for environment, status in (("development", 200), ("production", 404)):
        with httpx.Client(base_url=data_access(ENV=environment).url, trust_env=False) as client:
            for path in ("/openapi.json", "/docs", "/redoc"):
                assert client.get(path, follow_redirects=True).status_code == status


def start_wrongly(environment: Mapping[str, str], tmp_path: Path) -> tuple[int, str]:
    ended = subprocess.run(
        [sys.executable, "-m", "flame_node_agent", "data-access"],
        env={"PATH": os.environ["PATH"], **environment},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    return ended.returncode, ended.stderr


def test_missing_settings_are_named_one_a_line(tmp_path: Path) -> None:
    code, problems = start_wrongly({}, tmp_path)
    assert code == 2
    named = {line.partition(":")[0] for line in problems.splitlines()}
    assert {"DATA_ACCESS_POSTGRES_USER", "AES_KEY_BASE64", "OMOP_POSTGRES_DB", "POSTGRES__HOST"} <= named


def test_policy_that_is_not_understood_stops_the_start(
    data_access_env: Callable[..., dict[str, str]], tmp_path: Path
) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text("[disclosure]\nmin_cohort_size = 7\n")
    code, problems = start_wrongly(data_access_env(ACCESS_POLICY_FILE=str(policy)), tmp_path)
    assert code == 2
    line = "ACCESS_POLICY_FILE: disclosure.min_cohort_size: 7 is below the trust's threshold of 10"
    assert line in problems.splitlines()
