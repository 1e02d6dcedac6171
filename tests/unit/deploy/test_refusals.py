"""``make up-local-trust`` says what is wrong and what to do, and starts nothing. Docker is a stand-in here."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from flame_node_agent.kit.env_text import EnvText
from tests.unit.deploy.compose_files import ROOT
from tests.unit.deploy.operator import Operator


def test_a_complete_trust_passes(operator: Operator) -> None:
    assert operator.make() == (0, "Everything is ready for make up-local-trust.\n")


@pytest.mark.parametrize("engine", ["20.10.24+dfsg1", "24.0.7", "28.5.1", "29.0.0-rc.1"])
def test_engines_that_are_new_enough(operator: Operator, engine: str) -> None:
    assert operator.make(ENGINE=engine)[0] == 0


@pytest.mark.parametrize("engine", ["20.10.24+dfsg1", "23.0.10", "24.0.9", "25.0.4", "25.0.3-1~deb"])
def test_engines_that_let_questions_for_names_out_are_told_and_not_refused(
    operator: Operator, engine: str
) -> None:
    code, said = operator.make(ENGINE=engine)
    assert code == 0
    assert said.count("CVE-2024-29018") == 1


@pytest.mark.parametrize("engine", ["23.0.11", "25.0.5", "26.0.0", "26.1.5+dfsg1", "28.5.1"])
def test_of_engines_that_do_not_nothing_is_said(operator: Operator, engine: str) -> None:
    assert operator.make(ENGINE=engine)[1] == "Everything is ready for make up-local-trust.\n"


def test_no_docker(operator: Operator, tmp_path: Path) -> None:
    (operator.path / "docker").unlink()
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("sh", "make", "sed", "tail", "stat", "sort", "head", "tr", "awk", "grep"):
        (tools / name).symlink_to(str(shutil.which(name)))
    said = operator.refused(PATH=str(tools))
    assert "Docker is not installed." in said
    assert "make add-local-trust" in said


@pytest.mark.parametrize(
    ("docker", "problem", "do"),
    [
        ({"ENGINE": ""}, "The Docker engine does not answer.", "systemctl start docker"),
        (
            {
                "ENGINE": "",
                "ENGINE_SAYS": "permission denied while trying to connect to the Docker daemon socket",
            },
            "You may not use the Docker engine.",
            "sudo -E make",
        ),
        ({"ENGINE": "19.03.15"}, "Docker 19.03.15 is too old.", "Install 20.10 or newer."),
        ({"COMPOSE": ""}, "Docker Compose is not installed.", "docker-compose-plugin"),
        ({"COMPOSE": "2.17.3"}, "Docker Compose 2.17.3 is too old.", "Install 2.24.0 or newer."),
        ({"OWNER": "trust-b"}, "The container name trust-api is taken by trust-b.", "STACK=trust-b make"),
        (
            {"FOLDER": "/"},
            "The stack trust-local has been started from /.",
            "docker compose -p trust-local down",
        ),
        ({"FREE_KIB": "2000000"}, "The disk of Docker (/) has 1953 MiB left.", "docker system df"),
        ({"PROD": "yes"}, "PROD=yes is not known.", "PROD=stag or PROD=true"),
        ({"KIT": "Trust_9"}, "There is no kit .env.Trust_9.stag", "flame-node keys new-trust --kit"),
        ({"PROD": "true"}, "There is no kit .env.Trust_2.production", "flame-node keys new-trust --kit"),
        (
            {"KIT_SAYS": "problem  MINIO__SECRET_KEY: is a password that everybody knows; choose another"},
            "The kit .env.Trust_2.stag is not right:",
            "MINIO__SECRET_KEY: is a password that everybody knows",
        ),
    ],
)
def test_what_is_refused(operator: Operator, docker: dict[str, str], problem: str, do: str) -> None:
    said = operator.refused(**docker)
    assert problem in said
    assert do in said


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o660, 0o400])
def test_a_kit_with_another_mode_than_0600_is_refused(operator: Operator, mode: int) -> None:
    operator.kit.chmod(mode)
    said = operator.refused()
    assert f"has mode {mode:o}" in said
    assert "chmod 600 .env.Trust_2.stag" in said


@pytest.mark.parametrize("target", ["up-local-trust", "check-local-trust", "backup-local-trust"])
def test_a_kit_of_another_environment_is_named_with_what_chooses_it(operator: Operator, target: str) -> None:
    (operator.folder / ".env.Trust_2.stag.before-rotation").touch()
    code, said = operator.make(target, PROD="")
    assert code != 0
    assert "There is no kit .env.Trust_2.development" in said
    assert "\n  There is .env.Trust_2.stag: PROD=stag make …\n" in said
    assert "rotation" not in said


def test_a_kit_of_another_trust_is_named_with_what_chooses_it(operator: Operator) -> None:
    operator.kit.rename(operator.folder / ".env.Trust_7.production")
    assert "There is .env.Trust_7.production: KIT=Trust_7 PROD=true make …" in operator.refused()
    operator.kit.touch()
    operator.kit.rename(operator.folder / ".env.Trust_7")
    assert "There is .env.Trust_7: KIT=Trust_7 make …" in operator.refused()


def test_where_there_is_no_kit_at_all_none_is_named(operator: Operator) -> None:
    operator.kit.unlink()
    assert "There is ." not in operator.refused()


def test_placeholders_are_refused_by_name(operator: Operator) -> None:
    operator.write()
    said = operator.refused()
    assert "still has placeholders: CENTRAL_HUB_API_URL TRUST_NAME" in said


@pytest.mark.parametrize(("prod", "weight"), [("stag", "--production"), ("", "--development")])
def test_the_node_itself_looks_at_the_kit(operator: Operator, prod: str, weight: str) -> None:
    shutil.copy2(operator.kit, operator.folder / ".env.Trust_2.development")
    assert operator.make(PROD=prod)[0] == 0
    assert f"flame-node keys check --kit /kit {weight}" in operator.calls.read_text()


@pytest.mark.parametrize(
    ("prod", "kit"),
    [("", ".env.Trust_2.development"), ("stag", ".env.Trust_2.stag"), ("true", ".env.Trust_2.production")],
)
def test_prod_chooses_the_kit(operator: Operator, prod: str, kit: str) -> None:
    content = operator.kit.read_bytes()
    operator.kit.unlink()
    (operator.folder / kit).write_bytes(content)
    (operator.folder / kit).chmod(0o600)
    assert operator.make(PROD=prod)[0] == 0


def test_a_kit_without_an_environment_in_its_name_serves_all(operator: Operator) -> None:
    operator.kit.rename(operator.folder / ".env.Trust_2")
    assert operator.make(PROD="true")[0] == 0


def test_a_stack_whose_folder_is_gone_is_taken_over(operator: Operator) -> None:
    assert operator.make(FOLDER=str(operator.folder / "no more"))[0] == 0


def test_a_stack_of_this_very_folder_is_its_own(operator: Operator) -> None:
    assert operator.make(FOLDER=str(operator.folder))[0] == 0


def test_a_port_that_would_be_published_must_be_free(operator: Operator) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        config = f'    ports:\n      - target: 8000\n        published: "{port}"'
        assert f"Port {port} is taken by another program." in operator.refused(CONFIG=config)
        assert f"Port {port} is taken by other-1." in operator.refused(CONFIG=config, HOLDS_PORT="other-1")
    assert operator.make(CONFIG=config)[0] == 0


def test_a_policy_that_the_kit_names_must_be_there_and_readable(operator: Operator) -> None:
    with operator.kit.open("a") as kit:
        kit.write("ACCESS_POLICY_FILE=/etc/flame-node/policy.toml\n")
    assert "There is no policy/policy.toml" in operator.refused()
    policy = operator.folder / "policy" / "policy.toml"
    policy.touch(0o600)
    assert "who may not read policy/policy.toml" in operator.refused()
    policy.chmod(0o644)
    policy.parent.chmod(0o700)
    said = operator.refused()
    assert "chmod a+rX policy policy/policy.toml" in said
    policy.parent.chmod(0o755)
    assert operator.make()[0] == 0


def test_publishing_is_refused_outside_of_development(operator: Operator) -> None:
    code, said = operator.make("up-trust")
    assert code != 0
    assert "publishes a port, which PROD=stag forbids" in said


def test_restoring_asks_which_backup(operator: Operator) -> None:
    code, said = operator.make("restore-local-trust")
    assert code != 0
    assert "Which backup?" in said


def test_no_value_of_the_kit_is_said(operator: Operator) -> None:
    values = EnvText(operator.kit.read_text()).values
    said = operator.make()[1] + operator.refused(ENGINE="1.0") + operator.calls.read_text()
    secrets = [
        value for name, value in values.items() if name.endswith(("PASSWORD", "KEY", "BASE64")) and value
    ]
    assert secrets
    assert not [value for value in secrets if value in said]


def test_the_root_forwards_with_the_same_defaults(operator: Operator) -> None:
    root = operator.folder.parent
    shutil.copy(ROOT / "Makefile", root)
    shutil.copytree(ROOT / "ansible", root / "ansible")
    environment = {
        # Not those of a make around the tests, which would have this one say where it is.
        **{name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))},
        "PATH": f"{operator.path}:{os.environ['PATH']}",
        "DOCKER_CALLS": str(operator.calls),
    }
    environment |= {"ENGINE": "28.0.1", "COMPOSE": "2.39.1", "PROD": "stag", "KIT_SAYS": "", "OWNER": ""}
    done = subprocess.run(
        ["make", "check-local-trust"], cwd=root, env=environment, capture_output=True, text=True, check=False
    )
    assert done.stdout == "Everything is ready for make up-local-trust.\n", done.stderr
