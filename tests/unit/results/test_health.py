"""Whether the service lives, is ready, and counts."""

from __future__ import annotations

import pytest

from tests.unit.results.conftest import Endpoint


async def test_healthz_says_ok_and_nothing_else(endpoint: Endpoint) -> None:
    answer = await endpoint.client.get("/healthz")
    assert answer.status_code == 200
    assert answer.json() == {"status": "ok"}
    assert answer.headers["content-type"] == "application/json"


async def test_healthz_is_answered_while_everything_else_is_away(endpoint: Endpoint) -> None:
    endpoint.issuer.away = endpoint.objects.away = endpoint.staging.database_away = True
    endpoint.readiness.missing = {"database": "no connection"}
    assert (await endpoint.client.get("/healthz")).status_code == 200


async def test_readyz_says_ready(endpoint: Endpoint) -> None:
    answer = await endpoint.client.get("/readyz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ready", "missing": {}})


async def test_readyz_names_what_is_missing(endpoint: Endpoint) -> None:
    endpoint.readiness.missing = {"object_store": "connection refused"}
    answer = await endpoint.client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json() == {"status": "not ready", "missing": {"object_store": "connection refused"}}


async def test_metrics_are_prometheus_text(endpoint: Endpoint) -> None:
    await endpoint.client.get("/healthz")
    answer = await endpoint.client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    assert 'flame_node_requests_total{method="GET",route="/healthz",status="200"}' in answer.text


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
async def test_health_needs_no_token_in_both_spellings(endpoint: Endpoint, path: str) -> None:
    for spelling in (path, f"{path}/"):
        assert (await endpoint.client.get(spelling)).status_code == 200
