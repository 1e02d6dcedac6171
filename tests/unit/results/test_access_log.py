"""What is told about each request, and what becomes of a failure nobody has foreseen."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any
from uuid import UUID

import pytest
from structlog.testing import capture_logs

from flame_node_agent.errors import LedgerBroken
from flame_node_agent.telemetry import metrics
from tests.unit.results.conftest import Endpoint

Auth = dict[str, str]


def _finished(logs: list[MutableMapping[str, Any]]) -> list[MutableMapping[str, Any]]:
    return [entry for entry in logs if entry["event"] == "request.finished"]


async def test_each_request_is_one_line(endpoint: Endpoint, analysis: UUID, auth: Auth) -> None:
    with capture_logs() as logs:
        answer = await endpoint.client.put(
            "/local/", headers=auth, files={"file": ("secret.csv", b"x" * 100)}
        )
    (entry,) = _finished(logs)
    assert entry.pop("seconds") >= 0
    assert entry.pop("received") == int(answer.request.headers["content-length"])
    assert entry == {
        "event": "request.finished",
        "log_level": "info",
        "method": "PUT",
        "route": "/local",
        "status": 200,
        "complete": True,
        "sent": len(answer.content),
        "analysis": str(analysis),
    }


@pytest.mark.parametrize("path", ["/healthz", "/healthz/", "/metrics", "/readyz"])
async def test_questions_of_machines_are_not_logged(endpoint: Endpoint, path: str) -> None:
    with capture_logs() as logs:
        await endpoint.client.get(path)
    assert logs == []


async def test_missing_readiness_is_logged(endpoint: Endpoint) -> None:
    endpoint.readiness.missing = {"database": "no connection"}
    with capture_logs() as logs:
        await endpoint.client.get("/readyz")
    assert [entry["status"] for entry in _finished(logs)] == [503]


async def test_token_query_and_file_name_are_never_logged(endpoint: Endpoint, auth: Auth) -> None:
    with capture_logs() as logs:
        await endpoint.client.put("/local", headers=auth, files={"file": ("mueller.csv", b"x")})
        await endpoint.client.get("/local/tags/mueller?name=mueller", headers=auth)
        await endpoint.client.get("/local/tags", headers={"Authorization": "Bearer mueller"})
        await endpoint.client.get("/mueller", headers=auth)
    assert "mueller" not in repr(logs)
    assert auth["Authorization"].split(".")[2] not in repr(logs)


async def test_unknown_paths_and_methods_share_one_label(endpoint: Endpoint) -> None:
    with capture_logs() as logs:
        await endpoint.client.get("/unknown/1")
        await endpoint.client.request("BREW", "/unknown/2")
    assert [(entry["route"], entry["method"], entry["status"]) for entry in _finished(logs)] == [
        ("unknown", "GET", 404),
        ("unknown", "other", 404),
    ]


async def test_requests_and_bytes_are_counted(endpoint: Endpoint, auth: Auth) -> None:
    def count(name: str, **labels: str) -> float:
        return metrics.REGISTRY.get_sample_value(name, labels) or 0.0

    def numbers() -> list[float]:
        route = {"route": "/local"}
        return [
            count("flame_node_requests_total", method="PUT", status="200", **route),
            count("flame_node_request_seconds_count", method="PUT", **route),
            count("flame_node_received_bytes_total", **route),
            count("flame_node_sent_bytes_total", **route),
        ]

    before = numbers()
    answer = await endpoint.client.put("/local", headers=auth, files={"file": b"x" * 100})
    assert [after - earlier for after, earlier in zip(numbers(), before, strict=True)] == [
        1,
        1,
        int(answer.request.headers["content-length"]),
        len(answer.content),
    ]


@pytest.mark.parametrize("failure", [RuntimeError("row 17 of patients"), LedgerBroken("row 3")], ids=repr)
async def test_unforeseen_failure_is_plain_500_and_logged_once(
    endpoint: Endpoint, auth: Auth, monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    async def fail(_project: UUID) -> list[str]:
        raise failure

    monkeypatch.setattr(endpoint.local_results, "tags", fail)
    with capture_logs() as logs:
        answer = await endpoint.client.get("/local/tags", headers=auth)
    assert (answer.status_code, answer.text) == (500, "Internal Server Error")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["connection"] == "close"
    assert [entry["event"] for entry in logs if entry["log_level"] == "error"] == ["request.crashed"]
    assert [entry["status"] for entry in _finished(logs)] == [500]


async def test_rejected_token_is_logged_with_its_reason(endpoint: Endpoint) -> None:
    with capture_logs() as logs:
        await endpoint.client.get("/local/tags", headers={"Authorization": "Bearer a.b.c"})
    assert [entry["reason"] for entry in logs if entry["event"] == "token.rejected"] == [
        "no JWS in compact form"
    ]


async def test_long_client_ids_are_cut(endpoint: Endpoint) -> None:
    with capture_logs() as logs:
        await endpoint.client.get("/local/tags", headers=endpoint.auth("x" * 5000))
    assert [len(entry["analysis"]) for entry in _finished(logs)] == [64]
