"""``docker kill -s KILL`` of each service in turn, and of the engine: nothing that was acknowledged is lost."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import pytest

from tests.deploy.outside import Outside
from tests.deploy.trust_host import SERVICES, TrustHost, until

HOLD_SECONDS = 30
"""How long the hub keeps an upload waiting, so that it is on its way when the kill comes."""


@dataclass
class InFlight:
    """A result and a query, both under way."""

    name: str
    task: str


@contextmanager
def _in_flight(trust: TrustHost, outside: Outside, name: str) -> Iterator[InFlight]:
    """Have the hub keep an upload waiting, and the OMOP database a query; let both go afterwards."""
    # Not by `docker pause`: a container that is paused when its engine dies is not started again.
    omop = trust.engine.docker("top", trust.containers()["omop-db"]["Id"], "-eo", "pid").split()[1:]
    outside.ask("POST", "/admin/faults", {"match": "/storage/", "latency": HOLD_SECONDS})
    _signal(omop, signal.SIGSTOP)
    try:
        until(lambda: trust.put_result(outside, name, name) == "204", f"{name} accepted")
        task = trust.ask_cohort(outside, _never_asked_before())
        until(lambda: task in _listed(trust, "tasks", "running"), "the query is running")
        until(lambda: name in _listed(trust, "outbox", "uploading"), "the result is being uploaded")
        yield InFlight(name, task)
    finally:
        _signal(omop, signal.SIGCONT)
        outside.await_hub()
        outside.ask("DELETE", "/admin/faults")


def _signal(pids: list[str], number: signal.Signals) -> None:
    for pid in pids:
        # It may have been killed meanwhile.
        with suppress(ProcessLookupError):
            os.kill(int(pid), number)


def _never_asked_before() -> str:
    """A query that data-access-api has no answer to in its cache."""
    return f"SELECT person_id FROM omop.person WHERE person_id > -{time.time_ns()}"


def _listed(trust: TrustHost, what: str, state: str) -> str:
    return trust.inside("trust-api", "flame-node", what, "list", "--state", state, check=False)


def _all_done(trust: TrustHost, outside: Outside, work: InFlight) -> None:
    until(lambda: trust.arrived(outside, work.name), f"{work.name} at the hub, once", 600)
    closed = {"COMPLETED", "FAILED"}
    until(lambda: trust.task_status(outside, work.task) in closed, "the query is answered", 600)
    assert trust.task_status(outside, work.task) == "COMPLETED", trust.logs()


@pytest.mark.parametrize("service", SERVICES)
def test_nothing_is_lost_when_a_service_is_killed(trust: TrustHost, outside: Outside, service: str) -> None:
    with _in_flight(trust, outside, f"before-the-kill-of-{service}.txt") as work:
        trust.engine.docker("kill", "-s", "KILL", trust.containers()[service]["Id"])
    # The engine takes a kill by its own command for a wish, so the restart policy does not bring the service back.
    trust.make("up-local-trust")
    _all_done(trust, outside, work)


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_that_dies_by_itself_comes_back_by_itself(
    trust: TrustHost, outside: Outside, service: str
) -> None:
    before = trust.containers()[service]
    trust.kill_process(before["State"]["Pid"])

    def back() -> bool:
        now = trust.containers().get(service)
        return (
            now is not None
            and now["RestartCount"] > before["RestartCount"]
            and now["State"]["Health"]["Status"] == "healthy"
        )

    until(back, f"{service} healthy again")


def test_nothing_is_lost_when_the_engine_is_killed(trust: TrustHost, outside: Outside) -> None:
    with _in_flight(trust, outside, "before-the-power-cut.txt") as work:
        trust.engine.kill()
        trust.engine.start()
        until(
            lambda: len(trust.containers()) == len(SERVICES), "every service is started by the engine itself"
        )
        outside.restart()
    _all_done(trust, outside, work)
