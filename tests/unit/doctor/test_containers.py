"""What the doctor makes of the trust's containers: each line seen well, wrong, and with nothing to look at."""

from __future__ import annotations

import json
from typing import Any

import pytest

from flame_node_agent.doctor.containers import JOBS, NODE_SERVICES
from flame_node_agent.doctor.findings import Finding, State
from flame_node_agent.doctor.ground import Service
from tests.integration.doctor.verdicts import assert_unseen, assert_well, assert_wrong
from tests.unit.deploy.compose_files import merged
from tests.unit.doctor.hosts import NODE_ID, OTHER_ID, SERVICES, container, ended_job, report, told
from tests.unit.doctor.looking import finding, look, others


def image(identity: str, version: str, revision: str | None) -> str:
    return json.dumps({"id": identity, "version": version, "revision": revision})


# Containers


@pytest.mark.parametrize(
    ("changed", "said", "do"),
    [
        (
            container("postgres", status="exited", exit_code=137),
            "postgres does not run (exited",
            "make up-local-trust",
        ),
        (container("minio", health="unhealthy"), "minio runs and is not healthy", "SERVICE=minio"),
        (container("trust-api", status="restarting", exit_code=2), "exit code 2", "settings are wrong"),
        (
            container("trust-api", status="restarting", exit_code=1),
            "ends again and again",
            "SERVICE=trust-api",
        ),
        (container("omop-db", status="created", health=""), "omop-db has not been started", "waits for"),
        (container("minio", status="paused"), "minio is paused", "docker unpause"),
        (container("omop-db", status="exited", out_of_memory=True), "used up its memory", "OMOP_MEMORY"),
        (ended_job("bucket", 1), "the job bucket has failed with exit code 1", "SERVICE=bucket"),
    ],
)
async def test_a_container_that_is_not_well(changed: dict[str, Any], said: str, do: str) -> None:
    assert_wrong(await finding("containers", told(*others(changed))), said, do)


async def test_a_service_that_the_kit_asks_for_and_is_not_there() -> None:
    shown = [container(name) for name in SERVICES if name != "minio"]
    seen = await finding("containers", told(*shown))
    assert_wrong(seen, "minio is missing", "make up-local-trust")
    assert "bucket" not in seen.seen  # a job may be cleared away


async def test_a_service_that_is_still_starting() -> None:
    seen = await finding("containers", told(*others(container("omop-db", health="starting"))))
    assert_unseen(seen, "look again in a minute: omop-db")


async def test_where_nothing_runs_it_is_said_once_and_nothing_is_asked() -> None:
    sections = await look(told(containers=[], agent=[], data_access=[], volumes=[]))
    host_lines = sections[Service.HOST]
    assert_wrong(host_lines["containers"], "trust-local is here: it is down", "make up-local-trust")
    for name in ("restart", "release", "published", "volumes"):
        assert host_lines[name].state is State.SKIPPED, host_lines[name]
    assert set(sections[Service.AGENT].values()) == {
        Finding(State.SKIPPED, "trust-api does not run, so it cannot be asked")
    }


async def test_a_service_that_runs_and_cannot_be_asked_is_wrong() -> None:
    sections = await look(told(agent=["Traceback (most recent call last):"]))
    (only,) = set(sections[Service.AGENT].values())
    assert_wrong(only, "its own doctor does not answer", "SERVICE=trust-api")


async def test_a_service_without_a_container_may_have_been_asked_all_the_same() -> None:
    shown = [container(name) for name in SERVICES if name != "trust-api"]
    answered = report(Service.AGENT, settings=("failed", "AES_KEY_BASE64: is no key", "correct it"))
    sections = await look(told(*shown, agent=answered))
    assert_wrong(sections[Service.AGENT]["settings"], "AES_KEY_BASE64", "correct it")


def test_jobs_and_services_of_the_node_are_those_of_the_compose_files() -> None:
    services = merged("compose.yml", "compose.production.yml")["services"]
    assert {name for name, each in services.items() if each["restart"] in {"no", "on-failure:5"}} == JOBS
    node = {name for name, each in services.items() if "NODE_IMAGE" in each["image"]}
    assert node - JOBS <= set(NODE_SERVICES)


# After a restart of the machine


async def test_a_service_that_would_stay_down() -> None:
    seen = await finding("restart", told(*others(container("postgres", restart="no"))))
    assert_wrong(seen, "postgres (no)", "restart policy")


async def test_an_engine_that_would_stay_down_and_one_that_does_not_say() -> None:
    assert_wrong(await finding("restart", told(boot="disabled")), "at boot", "systemctl enable docker")
    assert_well(await finding("restart", told(boot=[])), "5 containers")


# Releases


async def test_services_of_two_releases_do_not_belong_together() -> None:
    images = [image(NODE_ID, "0.2.0", "1"), image(OTHER_ID, "0.1.0", "")]
    shown = others(container("data-access-api", image=OTHER_ID))
    seen = await finding("release", told(*shown, images=images))
    assert_wrong(
        seen, "trust-api runs 0.2.0 (1), data-access-api runs 0.1.0 (bbbbbbbbbbbb)", "make up-local-trust"
    )


async def test_an_image_that_is_newer_than_what_runs_is_told_and_not_wrong() -> None:
    images = [image(OTHER_ID, "0.2.0", None), image(NODE_ID, "0.1.0", "1")]
    seen = await finding("release", told(images=images))
    assert seen.state is State.OK
    assert "all run 0.1.0 (1), and flame-node-agent:latest is 0.2.0 (bbbbbbbbbbbb)" in seen.seen
    assert "make upgrade-local-trust" in seen.do


# Ports


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"ports": {"5432/tcp": [{"HostIp": "0.0.0.0", "HostPort": "15432"}]}},
            "postgres 5432/tcp at 0.0.0.0:15432",
        ),
        ({"ports": {"5432/tcp": [{"HostIp": "::", "HostPort": "15432"}]}}, "postgres 5432/tcp at :::15432"),
        ({"network": "host", "ports": {}}, "uses the network of the host"),
    ],
)
async def test_a_published_port_of_any_container_is_wrong(changes: dict[str, Any], said: str) -> None:
    assert_wrong(await finding("published", told(*others(container("postgres", **changes)))), said, "ports:")


async def test_a_port_at_the_loopback_address_is_nobody_elses_to_reach() -> None:
    for address in ("127.0.0.1", "::1"):
        ports = {"8000/tcp": [{"HostIp": address, "HostPort": "8024"}]}
        assert_well(
            await finding("published", told(*others(container("trust-api", ports=ports)))), "none of 5"
        )
