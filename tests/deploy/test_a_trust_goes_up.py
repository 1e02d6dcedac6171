"""The seed's own commands on a real engine: the stack comes up, polls, and carries work both ways."""

from __future__ import annotations

import json
import os
import signal
import subprocess

from tests.deploy.outside import Outside
from tests.deploy.trust_host import TrustHost, until


def test_every_service_is_healthy(trust: TrustHost) -> None:
    states = {name: each["State"]["Health"]["Status"] for name, each in trust.containers().items()}
    assert states == dict.fromkeys(
        ("trust-api", "data-access-api", "postgres", "minio", "omop-db"), "healthy"
    )


def test_docker_logs_of_trust_api_show_successful_polls(trust: TrustHost, outside: Outside) -> None:
    def polls() -> list[dict[str, object]]:
        lines = trust.engine.docker("logs", "trust-api").splitlines()
        events = [json.loads(line) for line in lines if line.startswith("{")]
        return [each for each in events if each["event"] == "poller.polled"]

    assert until(polls, "a line that tells of successful polls")[0]["polls"] >= 1  # type: ignore[operator]


def test_a_result_reaches_the_hub(trust: TrustHost, outside: Outside) -> None:
    until(lambda: trust.put_result(outside, "model.json", "weights") == "204", "the issuer's keys are known")
    until(lambda: trust.arrived(outside, "model.json"), "the result at the hub")


def test_a_cohort_task_is_answered_from_the_omop_database(trust: TrustHost, outside: Outside) -> None:
    task = trust.ask_cohort(outside)
    until(lambda: trust.task_status(outside, task) == "COMPLETED", "the task completed")


def test_up_again_changes_nothing(trust: TrustHost) -> None:
    before = {name: each["Id"] for name, each in trust.containers().items()}
    trust.make("up-local-trust")
    assert {name: each["Id"] for name, each in trust.containers().items()} == before


def test_the_root_of_the_repository_forwards_the_same_commands(trust: TrustHost) -> None:
    assert "agent: healthy" in trust.make("status-local-trust", folder=".")


def test_one_service_is_restarted_and_the_others_go_on(trust: TrustHost) -> None:
    before = {name: each["State"]["StartedAt"] for name, each in trust.containers().items()}
    trust.make("restart-local-trust", "SERVICE=data-access-api")
    after = {name: each["State"]["StartedAt"] for name, each in trust.containers().items()}
    assert {name for name in before if before[name] != after[name]} == {"data-access-api"}


def test_the_logs_of_a_service_can_be_followed(trust: TrustHost) -> None:
    environment = {**trust.engine.environment, "PROD": "stag", "STACK": trust.stack}
    following = subprocess.Popen(
        ["make", "logs-local-trust", "SERVICE=postgres"],
        cwd=trust.folder / "trust",
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert following.stdout is not None
        assert "postgres" in following.stdout.readline()
    finally:
        os.killpg(following.pid, signal.SIGINT)
        following.wait(120)


def test_doctor_finds_nothing_wrong(trust: TrustHost, outside: Outside) -> None:
    said = trust.inside("trust-api", "flame-node", "doctor", check=False)
    assert "✘" not in said, said
    assert "✔ api-key" in said
