"""The routes of data-access-api, with everything behind them in memory."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from uuid import UUID

import httpx
import pytest
from structlog.testing import capture_logs

from flame_node_agent import __version__
from flame_node_agent.cohort.project import Project
from flame_node_agent.crypto.envelope import Keyring
from flame_node_agent.errors import DatabaseUnavailable, Refused
from tests.unit.cohort.service_double import ADMIN, INTERNAL, PROJECT, QUERY, Service, assemble

EVERY_ROUTE = (
    "/cohort",
    "/cohort/dataframe",
    "/cohort/accession-ids",
    "/cohort/snapshot",
    "/cohort/snapshot/delete",
)
SUPPRESSED = {"record_count": 0, "data": [], "suppressed": True}
OTHER_KEY = Keyring("QkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkI=")

SCOPE = {
    "type": "http",
    "method": "POST",
    "path": "/cohort/dataframe",
    "raw_path": b"/cohort/dataframe",
    "root_path": "",
    "query_string": b"",
    "headers": [
        (b"content-type", b"application/json"),
        *((name.lower().encode(), value.encode()) for name, value in INTERNAL.items()),
    ],
}


@pytest.fixture
def service() -> Service:
    return assemble()


async def test_cohort_is_answered_in_flips_shape(service: Service) -> None:
    status, body = await service.post("/cohort", service.cohort(), headers=INTERNAL)
    assert status == 200
    assert body == {
        "query_id": "q-1",
        "trust_id": "t-1",
        "record_count": 25,
        "created": datetime.now(UTC).strftime("%Y-%m-%d"),
        "data": [{"name": "Counts", "results": [{"value": "person\nid", "count": 25}]}],
        "suppressed": False,
    }
    assert list(body) == ["query_id", "trust_id", "record_count", "created", "data", "suppressed"]
    assert service.statistics.asked == [(PROJECT, 10)]


async def test_suppressed_cohort_is_a_success_that_tells_nothing(service: Service) -> None:
    service.statistics.suppress()
    status, body = await service.post("/cohort", service.cohort())
    assert status == 200
    assert {key: body[key] for key in SUPPRESSED} == SUPPRESSED


async def test_query_that_the_guard_refuses_is_not_run(service: Service) -> None:
    status, body = await service.post("/cohort", service.cohort("DELETE FROM person"))
    assert (status, body) == (400, {"detail": "Only SELECT statements are allowed."})
    assert (service.statistics.asked, service.engine.statements) == ([], [])


@pytest.mark.parametrize(
    ("failure", "status", "detail"),
    [
        (Refused(400, "The table 'x' does not exist."), 400, "The table 'x' does not exist."),
        (Refused(400, "The column 'x' does not exist."), 400, "The column 'x' does not exist."),
        (Refused(500, "query_failed"), 500, "query_failed"),
        (Refused(500, "query_timeout"), 500, "query_timeout"),
        (Refused(500, "internal_error"), 500, "internal_error"),
        (DatabaseUnavailable("PostgreSQL: OperationalError"), 503, "The database is unavailable"),
        (KeyError("4711 in SELECT secret"), 500, "Statistics aggregation failed."),
    ],
)
async def test_failures_have_fixed_texts(
    service: Service, failure: Exception, status: int, detail: str
) -> None:
    service.statistics.failure = failure
    with capture_logs() as logs:
        assert await service.post("/cohort", service.cohort()) == (status, {"detail": detail})
    assert "4711" not in str(logs)


async def test_failure_of_a_row_level_query_has_a_fixed_text_of_its_own() -> None:
    service = assemble(COHORT_ROW_LEVEL="live")
    service.engine.failure = KeyError("4711 in SELECT secret")
    with capture_logs() as logs:
        assert await service.post("/cohort/dataframe", service.rows_of()) == (
            500,
            {"detail": "Query execution failed."},
        )
    assert "4711" not in str(logs)


@pytest.mark.parametrize("path", EVERY_ROUTE)
@pytest.mark.parametrize(
    ("envelope", "detail"),
    [
        (OTHER_KEY.encrypt(str(PROJECT), "project_id"), "encrypted_project_id failed authentication"),
        (
            assemble().sealed(context="task:cohort_query"),
            "encrypted_project_id failed authentication",
        ),
        (
            "no envelope",
            "encrypted_project_id is not a valid envelope: Payload is not a FLIP encryption envelope",
        ),
        (
            Keyring("QkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkI=", {"x": OTHER_KEY.shared_key_text}).encrypt(
                str(PROJECT), "project_id", kid="x"
            ),
            "encrypted_project_id is not a valid envelope: No key registered for kid 'x'",
        ),
    ],
    ids=["other-key", "other-context", "malformed", "unknown-kid"],
)
async def test_project_that_does_not_open_is_refused(
    service: Service, path: str, envelope: str, detail: str
) -> None:
    body = service.cohort(encrypted_project_id=envelope)
    assert await service.post(path, body) == (400, {"detail": detail})


async def test_fault_while_a_project_is_opened_names_its_type_only(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> str:
        raise MemoryError("4711")

    monkeypatch.setattr(service.keyring, "decrypt", broken)
    detail = "Failed to decrypt encrypted_project_id (MemoryError)"
    assert await service.post("/cohort", service.cohort()) == (500, {"detail": detail})


@pytest.mark.parametrize("path", ["/cohort/snapshot", "/cohort/snapshot/delete"])
async def test_only_projects_with_a_uuid_have_snapshots(service: Service, path: str) -> None:
    body = service.rows_of(encrypted_project_id=service.sealed("project-7"))
    assert await service.post(path, body) == (400, {"detail": "Project id is not a valid UUID."})


async def test_project_of_any_name_gets_statistics(service: Service) -> None:
    body = service.cohort(encrypted_project_id=service.sealed("project-7"))
    assert (await service.post("/cohort", body))[0] == 200
    assert service.statistics.asked == [(Project("project-7").log_id, 10)]
    assert Project("project-7").log_id != Project("project-8").log_id


@pytest.mark.parametrize("path", EVERY_ROUTE)
async def test_what_is_missing_is_named_and_what_was_sent_is_not_repeated(
    service: Service, path: str
) -> None:
    status, body = await service.post(path, {"query": ["SELECT 4711"]})
    assert status == 422
    assert ["body", "encrypted_project_id"] in [problem["loc"] for problem in body["detail"]]
    assert all(set(problem) == {"type", "loc", "msg"} for problem in body["detail"])
    assert "4711" not in str(body)


async def test_body_that_is_no_json_is_refused_without_repeating_it(service: Service) -> None:
    headers = {**ADMIN, "Content-Type": "application/json"}
    answer = await service.client.post("/cohort", content=b'{"query": "SELECT 4711', headers=headers)
    assert answer.status_code == 422
    assert "4711" not in answer.text


@pytest.mark.parametrize("field", ["query_id", "trust_id"])
async def test_id_that_could_not_be_given_back_is_refused(service: Service, field: str) -> None:
    """JSON can spell lone surrogates, and no answer can carry one."""
    headers = {**INTERNAL, "Content-Type": "application/json"}
    for value in ("\ud800", "x" * 1001):
        content = json.dumps(service.cohort() | {field: value})
        answer = await service.client.post("/cohort", content=content, headers=headers)
        assert (answer.status_code, answer.json()["detail"][0]["loc"]) == (422, ["body", field])


@pytest.mark.parametrize("announced", [True, False])
async def test_request_beyond_the_limit_is_refused(service: Service, announced: bool) -> None:
    async def chunks():
        for _ in range(300):
            yield b" " * 1024

    content = b" " * 300 * 1024 if announced else chunks()
    answer = await service.client.post("/cohort", content=content, headers=INTERNAL)
    assert answer.status_code == 413
    assert answer.json() == {"detail": "The request is larger than 262144 bytes"}


async def test_longest_query_in_its_longest_spelling_fits(service: Service) -> None:
    query = "SELECT person_id FROM person WHERE gender_source_value = '" + "\U0001f600" * 10_000 + "'"
    assert (await service.post("/cohort", service.cohort(query)))[0] == 200


async def test_health_tells_the_version(service: Service) -> None:
    answer = await service.client.get("/health")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok", "version": __version__})


async def test_readiness_names_what_is_missing(service: Service) -> None:
    assert (await service.client.get("/readyz")).json() == {"status": "ready", "missing": {}}
    service.engine.failure = Refused(500, "query_failed")
    service.snapshots.failure = DatabaseUnavailable("no connection to PostgreSQL")
    answer = await service.client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["missing"] == {
        "omop_database": "query_failed",
        "state_database": "no connection to PostgreSQL",
    }


@pytest.mark.parametrize(("environment", "status"), [("production", 404), ("development", 200)])
async def test_service_describes_itself_everywhere_but_in_production(environment: str, status: int) -> None:
    service = assemble(ENV=environment)
    assert (await service.client.get("/openapi.json")).status_code == status
    assert (await service.client.get("/health")).status_code == 200


async def test_each_request_is_one_line_without_its_content(service: Service) -> None:
    with capture_logs() as logs:
        await service.post("/cohort", service.cohort("SELECT person_id AS telltale FROM person"))
        await service.client.get("/health")
        await service.client.get("/nowhere-telltale")
    finished = [entry for entry in logs if entry["event"] == "request.finished"]
    assert [(entry["route"], entry["status"]) for entry in finished] == [("/cohort", 200), ("unknown", 404)]
    assert set(finished[0]) == {
        "event",
        "log_level",
        "method",
        "route",
        "status",
        "complete",
        "sent",
        "seconds",
    }
    assert "telltale" not in str(logs)


async def test_metrics_count_requests_by_route(service: Service) -> None:
    await service.post("/cohort", service.cohort())
    text = (await service.client.get("/metrics")).text
    assert 'flame_node_data_access_requests_total{method="POST",route="/cohort",status="200"}' in text


async def test_query_is_cancelled_when_its_caller_goes() -> None:
    service = assemble(COHORT_ROW_LEVEL="live")
    service.engine.forever = True
    gone = asyncio.Event()
    body = httpx.Request("POST", "http://x", json=service.rows_of(QUERY))
    messages = [{"type": "http.request", "body": body.content, "more_body": False}]

    async def receive() -> dict[str, object]:
        if messages:
            return messages.pop()
        await gone.wait()
        return {"type": "http.disconnect"}

    sent: list[object] = []

    async def send(message: object) -> None:
        sent.append(message)

    with capture_logs() as logs:
        serving = asyncio.create_task(service.app(SCOPE, receive, send))
        async with asyncio.timeout(30):
            while not service.engine.statements:
                await asyncio.sleep(0.01)
            gone.set()
            await service.engine.cancelled.wait()
            await serving
    assert [entry["status"] for entry in logs if entry["event"] == "request.finished"] == [499]
    assert sent == []


def test_project_is_known_by_its_uuid() -> None:
    assert Project(str(PROJECT)).uuid == UUID(str(PROJECT))
    assert Project("project-7").uuid is None


async def test_answer_that_breaks_off_has_no_end() -> None:
    service = assemble(COHORT_ROW_LEVEL="live")
    people = [(0, number, str(number), None, str(number)) for number in range(1, 13)]
    service.engine.batches = [people, [(1, 1, "1", None, None)], [(1, 3, "3", None, None)]]
    content = httpx.Request("POST", "http://x", json=service.rows_of(QUERY)).content
    messages = [{"type": "http.request", "body": content, "more_body": False}]
    sent: list[dict[str, object]] = []

    async def receive() -> dict[str, object]:
        return messages.pop() if messages else await asyncio.Event().wait()

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    with capture_logs() as logs:
        await service.app(SCOPE, receive, send)
    assert [message["type"] for message in sent] == ["http.response.start"] + ["http.response.body"] * 2
    assert all(message["more_body"] for message in sent[1:])
    assert [entry["error"] for entry in logs if entry["event"] == "response.aborted"] == ["RowsOutOfOrder"]
    assert [entry["complete"] for entry in logs if entry["event"] == "request.finished"] == [False]
