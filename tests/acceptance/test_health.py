"""Probes of a running agent."""

from __future__ import annotations

from tests.acceptance.running_agents import RunningAgent


def test_healthz_says_exactly_ok_on_every_port(agent: RunningAgent) -> None:
    """200 without a token, and nothing but the status."""
    for port in agent.server.ports:
        answer = agent.http.get(f"http://127.0.0.1:{port}/healthz")
        assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
        assert answer.headers["content-type"] == "application/json"


def test_readyz_misses_nothing(agent: RunningAgent) -> None:
    answer = agent.http.get("/readyz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ready", "missing": {}})


def test_metrics_count_the_requests(agent: RunningAgent) -> None:
    agent.http.get("/healthz")
    answer = agent.http.get("/metrics")
    assert answer.status_code == 200
    assert 'route="/healthz"' in answer.text
