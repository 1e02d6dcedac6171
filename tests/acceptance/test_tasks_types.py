"""Tasks of all seven types as services see them, and payloads that nobody should open."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import httpx
import pytest

from flame_node_agent.crypto.envelope import PROJECT_ID_CONTEXT, Keyring
from flame_node_agent.devstack.omop.access import OmopAccess
from flame_node_agent.devstack.testing import LazyParts
from tests.acceptance.hub_agents import Trust, serving_trust
from tests.acceptance.task_listening import Reply, Request
from tests.acceptance.task_services import StandIn, accepted, json_reply
from tests.acceptance.task_witness import Witness, changed, watched_trust

EMAIL = "grace.hopper@hospital.example"
SQL = "SELECT accession_id FROM omop.image_occurrence"
IMAGING_PROJECT = str(uuid4())


class Watched(NamedTuple):
    trust: Trust
    witness: Witness
    services: StandIn


@pytest.fixture(scope="module")
def watched(parts: LazyParts, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    hub, directory = parts.hub(fresh=True), tmp_path_factory.mktemp("agent")
    with (
        StandIn() as services,
        watched_trust(parts, directory, hub, services.url, IMAGING_API_URL=services.url) as (trust, witness),
    ):
        yield Watched(trust, witness, services)


@pytest.fixture
def site(watched: Watched) -> Iterator[Watched]:
    """Nobody meddles, and nothing has been asked."""
    watched.services.calls.clear()
    yield watched
    watched.services.answer = accepted
    watched.witness.after = lambda request, reply: reply


def error_of(task: dict[str, Any]) -> dict[str, Any]:
    assert task["status"] == "FAILED", task
    return dict(json.loads(task["result"]))


STATUS = {
    "imaging_project_id": IMAGING_PROJECT,
    "encoded_query": base64.urlsafe_b64encode(SQL.encode()).decode(),
}


@pytest.mark.parametrize(
    ("task_type", "payload", "called", "tells"),
    [
        (
            "create_imaging",
            {"project_id": str(uuid4()), "project_name": "Stroke", "query": SQL, "users": []},
            ("POST", "/projects/create-project-from-central-hub-project"),
            True,
        ),
        (
            "delete_imaging",
            {"imaging_project_id": IMAGING_PROJECT},
            ("DELETE", f"/projects/{IMAGING_PROJECT}"),
            True,
        ),
        ("get_imaging_status", STATUS, ("GET", f"/retrieval/import_status_count/{IMAGING_PROJECT}"), True),
        (
            "reimport_studies",
            STATUS,
            ("PUT", f"/retrieval/reimport_imaging_project_studies/{IMAGING_PROJECT}"),
            False,
        ),
        ("update_user_profile", {"email": EMAIL, "enabled": False}, ("PUT", "/users"), False),
    ],
)
def test_imaging_tasks_call_imaging_api_and_tell_its_answer(
    site: Watched, task_type: str, payload: dict[str, object], called: tuple[str, str], tells: bool
) -> None:
    task = site.trust.done(task_type, **payload)
    (call,) = site.services.calls
    assert (call.method, urlsplit(call.path).path) == called
    assert call.headers["x-trust-internal-service-key"] == site.trust.hub.seed.trust.internal_service_key
    assert task["status"] == "COMPLETED"
    assert (json.loads(task["result"]) if tells else task["result"]) == (
        {"ID": "P1", "name": "done"} if tells else None
    )
    if "encoded_query" in payload:
        assert parse_qs(urlsplit(call.path).query) == {"encoded_query": [payload["encoded_query"]]}
    elif call.body:
        assert json.loads(call.body).items() >= payload.items()


def test_status_of_a_failure_is_told_where_the_hub_looks_for_it(site: Watched) -> None:
    site.services.answer = lambda request: json_reply({"detail": "Project not found"}, 404)
    error = error_of(site.trust.done("get_imaging_status", **STATUS))
    assert error == {"error": "404: Project not found", "status_code": 404}


def test_cohort_is_frozen_and_its_rows_are_served_from_the_snapshot(
    parts: LazyParts, tmp_path: Path, omop: OmopAccess
) -> None:
    """Row-level routes have nothing before the hub's task, and the frozen cohort after it, whatever is asked."""
    hub, project_id = parts.hub(), str(uuid4())
    trust_keys = hub.seed.trust
    sealed = Keyring(trust_keys.aes_key_base64).encrypt(project_id, PROJECT_ID_CONTEXT)
    with parts.data_access(parts.data_access_environment(hub)) as data_access:

        def rows() -> httpx.Response:
            return httpx.post(
                f"{data_access.url}/cohort/dataframe",
                json={"encrypted_project_id": sealed, "query": "SELECT person_id FROM omop.person"},
                headers={"X-Trust-Internal-Service-Key": trust_keys.internal_service_key},
                trust_env=False,
                timeout=30,
            )

        before = rows()
        with serving_trust(parts, tmp_path, hub, data_access.url) as trust:
            query = "SELECT person_id, year_of_birth FROM omop.person WHERE person_id <= 40"
            task = trust.done("persist_cohort", query=query, project_id=project_id)
        after = rows()
    assert (before.status_code, before.json()["detail"]) == (
        403,
        "No approved cohort snapshot exists for this project.",
    )
    assert task["status"] == "COMPLETED"
    facts = json.loads(task["result"])
    normal = " ".join(query.lower().split())
    assert (facts["row_count"], facts["query_hash"]) == (40, hashlib.sha256(normal.encode()).hexdigest())
    assert after.status_code == 200, after.text
    assert len(after.json()["year_of_birth"]) == 40


def meddled(site: Watched, change: Any) -> None:
    """Let the next tasks arrive changed."""

    def after(request: Request, reply: Reply) -> Reply:
        if not request.path.endswith("/pending") or reply.status != 200:
            return reply
        return changed(reply, lambda content: [change(task) for task in content["tasks"]])

    site.witness.after = after


def test_payload_that_was_changed_on_its_way_is_not_opened(site: Watched) -> None:
    def tamper(task: dict[str, str]) -> None:
        envelope = json.loads(base64.b64decode(task["payload"]))
        ciphertext = bytearray(base64.b64decode(envelope["ct"]))
        ciphertext[0] ^= 1
        envelope["ct"] = base64.b64encode(ciphertext).decode()
        task["payload"] = base64.b64encode(json.dumps(envelope).encode()).decode()

    meddled(site, tamper)
    task = site.trust.done("update_user_profile", email=EMAIL, enabled=True)
    assert error_of(task) == {"error": "Invalid payload: failed authentication"}
    assert site.services.calls == []


def test_payload_of_another_type_is_not_opened(site: Watched) -> None:
    """Whoever stands between hub and trust cannot let a harmless task become another one."""
    meddled(site, lambda task: task.update(task_type="delete_imaging"))
    task = site.trust.done("get_imaging_status", **STATUS)
    assert error_of(task) == {"error": "Invalid payload: failed authentication"}
    assert site.services.calls == []


def test_payload_that_is_no_envelope_is_reported(site: Watched) -> None:
    meddled(site, lambda task: task.update(payload="eyJlbWFpbCI6ICJhIn0="))
    task = site.trust.done("update_user_profile", email=EMAIL, enabled=True)
    assert error_of(task) == {"error": "Invalid payload: Payload is not a FLIP encryption envelope"}
    assert site.services.calls == []


def test_unknown_type_is_reported_before_its_payload_is_opened(site: Watched) -> None:
    meddled(site, lambda task: task.update(payload="nothing"))
    assert error_of(site.trust.done("make_coffee")) == {"error": "Unknown task type: make_coffee"}
    assert site.services.calls == []


def test_imaging_project_that_would_leave_its_path_is_refused_without_a_request(site: Watched) -> None:
    for task_type, payload in (
        ("delete_imaging", {"imaging_project_id": "../users"}),
        ("get_imaging_status", {**STATUS, "imaging_project_id": "../../users"}),
    ):
        assert "validation error" in error_of(site.trust.done(task_type, **payload))["error"]
    assert site.services.calls == []


@pytest.mark.parametrize("characters", [10_000_001, 12_000_000])
def test_result_that_is_too_long_becomes_a_clear_failure(site: Watched, characters: int) -> None:
    """The hub takes 10,000,000 characters; no more than a few words cross the wire instead."""
    filling = characters - len('""')
    site.services.answer = lambda request: Reply(200, b'"' + b"x" * filling + b'"')
    task = site.trust.done("delete_imaging", imaging_project_id=IMAGING_PROJECT)
    assert error_of(task) == {
        "error": f"The result has {characters} characters; the hub takes at most 10000000"
    }
    assert [len(each.request.body) < 1_000 for each in site.witness.reports(task["id"])] == [True]


def test_longest_result_the_hub_takes_arrives_whole(site: Watched) -> None:
    site.services.answer = lambda request: Reply(200, b'"' + b"x" * 9_999_998 + b'"')
    task = site.trust.done("delete_imaging", imaging_project_id=IMAGING_PROJECT)
    assert (task["status"], len(task["result"])) == ("COMPLETED", 10_000_000)


def test_log_holds_no_address_no_query_and_no_key(site: Watched) -> None:
    site.trust.done("update_user_profile", email=EMAIL, enabled=True)
    site.services.answer = lambda request: json_reply({"detail": f"no user {EMAIL}"}, 404)
    assert error_of(site.trust.done("update_user_profile", email=EMAIL, enabled=True))
    log = site.trust.log()
    assert log.count("task.finished") >= 2
    seed = site.trust.hub.seed.trust
    for secret in (EMAIL, SQL, STATUS["encoded_query"], seed.api_key, seed.aes_key_base64):
        assert secret not in log
    assert seed.internal_service_key not in log
