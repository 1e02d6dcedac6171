"""``docker kill -s KILL`` of each service in turn, and of the engine: nothing that was acknowledged is lost."""

from __future__ import annotations

import pytest

from tests.deploy.outside import Outside
from tests.deploy.trust_host import TrustHost, until


def _work(trust: TrustHost, outside: Outside, name: str) -> str:
    until(lambda: trust.put_result(outside, name, name) == "204", f"{name} accepted")
    return trust.ask_cohort(outside)


def _all_done(trust: TrustHost, outside: Outside, name: str, task: str) -> None:
    until(lambda: trust.arrived(outside, name), f"{name} at the hub, once", 240)
    until(lambda: trust.task_status(outside, task) in {"COMPLETED", "FAILED"}, "the task reported", 240)


@pytest.mark.parametrize("service", ["trust-api", "data-access-api", "postgres", "minio", "omop-db"])
def test_nothing_is_lost_when_a_service_is_killed(trust: TrustHost, outside: Outside, service: str) -> None:
    name = f"before-the-kill-of-{service}.txt"
    task = _work(trust, outside, name)
    trust.engine.docker("kill", "-s", "KILL", trust.containers()[service]["Id"])
    # The engine takes a kill by its own command for a wish, so the restart policy does not bring the service back.
    trust.make("up-local-trust")
    _all_done(trust, outside, name, task)


@pytest.mark.parametrize("service", ["trust-api", "data-access-api", "postgres"])
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
    name = "before-the-power-cut.txt"
    task = _work(trust, outside, name)
    trust.engine.kill()
    trust.engine.start()
    until(lambda: len(trust.containers()) == 5, "every service is started by the engine itself")
    outside.restart()
    _all_done(trust, outside, name, task)
