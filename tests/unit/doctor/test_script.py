"""What ``make doctor-local-trust`` says by itself, where there is no Docker or no image to ask with."""

from __future__ import annotations

import json

import pytest

from tests.unit.deploy.operator import Operator

WITHOUT_IMAGE = """#!/bin/sh
case "$*" in
version*) echo 28.0.1 ;;
"ps "*) echo "$RUNS" ;;
"inspect --format {{.Image}}"*) echo sha256:gone ;;
*) exit 1 ;;
esac
"""

UNABLE_TO_RUN = """#!/bin/sh
case "$*" in
version*) echo 28.0.1 ;;
"image inspect"*) ;;
"run "*) cat >/dev/null; echo "docker: Error response from daemon: no space left" >&2; exit 125 ;;
*) exit 1 ;;
esac
"""


@pytest.fixture
def operator(tmp_path_factory: pytest.TempPathFactory) -> Operator:
    return Operator(tmp_path_factory.mktemp("host"))


@pytest.mark.parametrize(
    ("said", "seen", "do"),
    [
        (
            {"ENGINE": "", "ENGINE_SAYS": "Cannot connect to the Docker daemon"},
            "does not answer",
            "systemctl start",
        ),
        (
            {"ENGINE": "", "ENGINE_SAYS": "permission denied while …"},
            "you may not use the Docker engine",
            "sudo -E",
        ),
    ],
)
def test_an_engine_that_does_not_answer_is_the_line_engine(
    operator: Operator, said: dict[str, str], seen: str, do: str
) -> None:
    code, text = operator.make("doctor-local-trust", **said)
    first = text.splitlines()[0]
    assert (code, first[:9]) == (2, "✘ engine ")
    assert seen in first
    assert do in first
    told = operator.make("doctor-local-trust", "JSON=1", **said)[1].splitlines()[0]
    (line,) = json.loads(told)["checks"]
    assert (json.loads(told)["well"], line["check"], line["state"]) == (False, "engine", "failed")
    assert seen in line["seen"]
    assert do in line["do"]


@pytest.mark.parametrize("runs", ["", "1a"])
def test_an_image_that_is_not_there_is_said_and_not_dockers_own_error(operator: Operator, runs: str) -> None:
    operator.program("docker", WITHOUT_IMAGE)
    _, text = operator.make("doctor-local-trust", RUNS=runs)
    assert text.startswith("✘ engine  the image of the node is not on this machine → make up-local-trust"), (
        text
    )


def test_a_container_that_cannot_be_started_is_said(operator: Operator) -> None:
    operator.program("docker", UNABLE_TO_RUN)
    _, text = operator.make("doctor-local-trust")
    assert (
        "✘ engine  the doctor could not be run in flame-node-agent:latest (exit code 125) → look above"
        in text
    ), text


def test_the_doctors_own_container_has_no_network_no_rights_and_no_socket(operator: Operator) -> None:
    operator.make("doctor-local-trust")
    (run,) = operator.called("run --rm --interactive")
    for option in (
        "--network none",
        "--read-only",
        "--cap-drop ALL",
        "no-new-privileges:true",
        "--log-driver none",
    ):
        assert option in run
    assert "docker.sock" not in run
    assert f"--mount type=bind,source={operator.kit},target={operator.kit},readonly" in run
    assert run.endswith(f"flame-node doctor --service host --kit {operator.kit}")
