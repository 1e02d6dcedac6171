"""Checks run at once, in their time, and none can stop or spoil the others."""

from __future__ import annotations

import asyncio

import pytest

from flame_node_agent.doctor.checks import Check
from flame_node_agent.doctor.examination import examine
from flame_node_agent.doctor.findings import Finding, State, failed, ok
from flame_node_agent.doctor.ground import Ground, Service
from flame_node_agent.hub.exemptions import Exemptions
from flame_node_agent.hub.proxies import ProxyRoutes
from tests.unit.settings_samples import TASKS

AGENT = frozenset({Service.AGENT})
SECRET = TASKS["TRUST_API_KEY"]


@pytest.fixture
def ground() -> Ground:
    return Ground.load(Service.AGENT, env=TASKS, env_file=None)


async def well(ground: Ground) -> Finding:
    return ok("fine")


async def broken(ground: Ground) -> Finding:
    raise RuntimeError(f"with {SECRET}")


async def hanging(ground: Ground) -> Finding:
    await asyncio.Event().wait()
    return ok("never")


async def test_one_that_crashes_and_one_that_hangs_leave_the_others_alone(ground: Ground) -> None:
    checks = [Check(name, AGENT, run) for name, run in (("a", broken), ("b", hanging), ("c", well))]
    findings = await examine(ground, checks, seconds=0.05)
    assert list(findings) == ["a", "b", "c"]
    assert findings["a"] == failed("the check itself has failed (RuntimeError)", "report this as a defect")
    assert "no answer within" in findings["b"].seen
    assert findings["c"] == ok("fine")


async def test_all_run_at_once(ground: Ground) -> None:
    together = asyncio.Barrier(3)

    async def meeting(ground: Ground) -> Finding:
        await together.wait()
        return ok("met")

    findings = await examine(ground, [Check(name, AGENT, meeting) for name in "abc"])
    assert set(findings.values()) == {ok("met")}


async def test_what_a_check_says_is_free_of_secrets(ground: Ground) -> None:
    async def talkative(ground: Ground) -> Finding:
        return failed(f"saw {SECRET}", f"say {SECRET}")

    findings = await examine(ground, [Check("a", AGENT, talkative)])
    assert SECRET not in repr(findings)
    assert findings["a"].seen.startswith("saw ")


async def test_only_the_checks_of_the_service_run_and_those_without_need_of_settings(ground: Ground) -> None:
    other = Check("other", frozenset({Service.DATA_ACCESS}), well)
    assert await examine(ground, [other, Check("own", AGENT, well)]) == {"own": ok("fine")}
    unusable = Ground.load(Service.AGENT, env={}, env_file=None)
    checks = [Check("needs", AGENT, well), Check("free", AGENT, well, needs_settings=False)]
    findings = await examine(unusable, checks)
    assert findings["needs"].state is State.SKIPPED
    assert findings["free"] == ok("fine")


@pytest.mark.parametrize(
    ("exempt", "host", "through"),
    [
        ("hub.example", "hub.example", False),
        ("hub.example", "api.hub.example", False),
        ("hub.example", "otherhub.example", True),
        (".hub.example", "api.hub.example", False),
        (".hub.example", "hub.example", True),
        ("localhost", "localhost", False),
        ("10.1.2.3", "10.1.2.3", False),
        ("10.1.2.3", "10.1.2.33", True),
        ("::1", "[::1]", False),
    ],
)
def test_who_is_exempt_from_the_proxy_is_asked_directly(exempt: str, host: str, through: bool) -> None:
    routes = ProxyRoutes({"https://": "http://proxy:3128"}, Exemptions.of([exempt]))
    assert (routes.proxy_for(f"https://{host}/x") is not None) == through
    assert routes.proxy_for(f"http://{host}/x") is None
