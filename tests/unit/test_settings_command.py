"""``flame-node config``, and how any command ends when the settings are wrong."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import flame_node_agent
from flame_node_agent.cli import COMMANDS, app
from flame_node_agent.config.agent_settings import own_variables
from flame_node_agent.config.catalogue import catalogue
from flame_node_agent.config.data_access import DataAccessSettings
from flame_node_agent.config.introspection import variables
from flame_node_agent.config.settings import Settings, known_variables
from flame_node_agent.config.task_side import TaskSettings
from tests.unit.settings_samples import COMPLETE, DATA_ACCESS, EVERY_SECRET, TASKS, TRUST_SECRETS

ROOT = Path(__file__).parents[2]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Run ``flame-node`` in an empty directory, with nothing but the given variables."""
    for entry in catalogue():
        for name in (entry.variable.name, *entry.variable.also_named):
            monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, **given: str) -> Result:
        return CliRunner().invoke(app, list(arguments), env=given)

    return run


def rows(output: str) -> dict[str, tuple[str, str]]:
    """Read the table: variable -> (value, origin)."""
    lines = [line.split(maxsplit=2) for line in output.splitlines() if line[:1].isupper() and "  " in line]
    return {name: (value, origin.strip()) for name, value, origin in lines}


def test_check_shows_the_effective_settings_and_where_each_came_from(run) -> None:
    Path(".env").write_text("MINIO__REGION=eu-central-1\nHUB__ROBOT_AUTH__SECRET=from-file-4711\n")
    given = {
        name: value for name, value in COMPLETE.items() if name not in {"MINIO__BUCKET", "HUB__AUTH__SECRET"}
    }
    result = run("config", "check", S3__BUCKET="flame", **given)
    assert result.exit_code == 0, result.stderr
    assert result.stderr == ""
    shown = rows(result.stdout)
    assert shown["MINIO__ENDPOINT"] == ("localhost:9000", "environment")
    assert shown["MINIO__BUCKET"] == ("flame", "environment, as S3__BUCKET")
    assert shown["MINIO__REGION"] == ("eu-central-1", ".env")
    assert shown["HUB__AUTH__SECRET"] == ("***", ".env, as HUB__ROBOT_AUTH__SECRET")
    assert shown["POSTGRES__PORT"] == ("5432", "default")
    assert shown["LISTEN__PORTS"] == ("8000,8080", "default")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OUTBOX__RETENTION_DAYS", "0.123456789"),
        ("OUTBOX__LEASE_SECONDS", "3600000"),
        ("LISTEN__PORTS", "9000,9001"),
        ("MINIO__USE_SSL", "1"),
        ("HUB__CORE_BASE_URL", "http://host:3000/core/"),
    ],
)
def test_check_shows_values_as_they_are_written_in_the_environment(run, name: str, value: str) -> None:
    assert rows(run("config", "check", **(COMPLETE | {name: value})).stdout)[name][0] == value


def test_check_reads_the_env_file_it_is_given(run, tmp_path: Path) -> None:
    other = tmp_path / "other.env"
    other.write_text("POSTGRES__DB=elsewhere\n")
    given = {name: value for name, value in COMPLETE.items() if name != "POSTGRES__DB"}
    shown = rows(run("config", "check", "--env-file", str(other), **given).stdout)
    assert shown["POSTGRES__DB"] == ("elsewhere", "other.env")


def test_check_shows_exactly_the_variables_that_are_read(run) -> None:
    shown = rows(run("config", "check", **COMPLETE).stdout)
    unread = {"HUB__AUTH__USERNAME", "HUB__AUTH__PASSWORD", "CRYPTO__ECDH_PRIVATE_KEY_PATH"}
    assert set(shown) == {variable.name for variable in known_variables()} - unread


def test_check_shows_no_secret(run) -> None:
    given = EVERY_SECRET | {"OIDC__CERTS_URL": "https://reader:certs-secret-4711@idp.example/certs"}
    result = run("config", "check", **given)
    assert result.exit_code == 0
    assert "4711" not in result.output
    assert EVERY_SECRET["CRYPTO__ECDH_PRIVATE_KEY"].splitlines()[1] not in result.output
    shown = rows(result.output)
    assert shown["OIDC__CERTS_URL"][0] == "https://reader:***@idp.example/certs"
    secrets = {variable.name for variable in known_variables() if variable.secret} & EVERY_SECRET.keys()
    assert {shown[name][0] for name in secrets} == {"***"}


def test_wrong_settings_end_with_exit_code_2_and_one_line_per_variable(run) -> None:
    result = run("config", "check", **(COMPLETE | {"MINIO__BUCKET": "x", "LOG__LEVEL": "loud"}))
    assert result.exit_code == 2
    assert result.stdout == ""
    assert {line.partition(":")[0] for line in result.stderr.splitlines()} == {"MINIO__BUCKET", "LOG__LEVEL"}


def test_wrong_settings_end_the_real_command_in_the_same_way(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from flame_node_agent.cli import main; main()", "config", "check"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT / "src"), "POSTGRES__PASSWORD": "secret-4711\n"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    lines = done.stderr.splitlines()
    known = {entry.variable.name for entry in catalogue()}
    assert all(line.partition(":")[0] in known for line in lines)
    assert "POSTGRES__PASSWORD: holds a line break" in done.stderr
    assert "4711" not in done.stderr
    assert "Traceback" not in done.stderr


def test_version_is_told() -> None:
    assert CliRunner().invoke(app, ["--version"]).stdout == f"flame-node {flame_node_agent.__version__}\n"


def test_help_lists_every_command_without_importing_any() -> None:
    code = (
        "import sys; from typer.testing import CliRunner; from flame_node_agent.cli import app\n"
        "print(CliRunner().invoke(app, ['--help']).output)\n"
        "print('IMPORTED', *(name for name in sys.modules if name.startswith('flame_node_agent.')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=True,
    )
    help_text, _, imported = done.stdout.partition("IMPORTED")
    assert set(imported.split()) == {"flame_node_agent.cli", "flame_node_agent.errors"}
    for name, line in COMMANDS.items():
        assert name in help_text
        assert line.split()[0] in help_text


def test_unknown_command_is_answered_with_a_suggestion() -> None:
    result = CliRunner().invoke(app, ["confg"])
    assert result.exit_code == 2
    assert "Did you mean 'config'?" in result.output


def test_committed_template_is_the_one_that_the_command_writes(run) -> None:
    result = run("config", "example")
    assert result.exit_code == 0
    assert (ROOT / ".env.example").read_text() == result.stdout, (
        "run `flame-node config example > .env.example` and commit the result"
    )


def test_template_names_every_variable_and_its_other_names(run) -> None:
    template = run("config", "example").stdout
    for variable in (entry.variable for entry in catalogue()):
        mark = "" if variable.required else "# "
        assert f"\n{mark}{variable.name}={variable.default or ''}\n" in template
        for name in variable.also_named:
            assert name in template


def test_template_tells_who_reads_each_variable(run) -> None:
    parts = run("config", "example").stdout.split("\n# Read by ")
    for entry in catalogue():
        (part,) = [part for part in parts if re.search(rf"^(# )?{entry.variable.name}=", part, re.MULTILINE)]
        assert part.partition(".\n")[0] == ", ".join(entry.read_by)


@pytest.mark.parametrize(
    ("arguments", "root", "chosen"),
    [
        (("--service", "agent"), Settings, "HUB__AUTH__FLOW"),
        (("--service", "agent"), TaskSettings, "TRUST_API_KEY"),
        (("--service", "data-access"), DataAccessSettings, None),
    ],
)
def test_template_as_it_is_misses_only_what_has_to_be_filled_in(run, arguments, root, chosen) -> None:
    Path(".env").write_text(run("config", "example").stdout)
    given = {chosen: (COMPLETE | TASKS)[chosen]} if chosen else {}
    result = run("config", "check", *arguments, **given)
    assert result.exit_code == 2
    missed = {line.partition(":")[0] for line in result.stderr.splitlines()}
    needed = {variable.name for variable in variables(root) if variable.required} - {chosen}
    assert missed - {"HUB__AUTH__ID", "HUB__AUTH__SECRET"} == needed


def test_template_as_it_is_turns_no_side_on(run) -> None:
    Path(".env").write_text(run("config", "example").stdout)
    result = run("config", "check")
    assert result.exit_code == 2
    for side, root in (("the result side", Settings), ("the task side", TaskSettings)):
        (line,) = [line for line in result.stderr.splitlines() if side in line]
        for name in (variable.name for variable in own_variables(root) if variable.required):
            assert name in line


@pytest.mark.parametrize(
    ("given", "verdict"),
    [
        (COMPLETE, "the result side is on and the task side is off"),
        (TASKS, "the result side is off and the task side is on"),
        (COMPLETE | TASKS, "the result side is on and the task side is on"),
    ],
)
def test_check_says_which_sides_of_the_agent_are_on(run, given: dict[str, str], verdict: str) -> None:
    result = run("config", "check", **given)
    assert result.exit_code == 0, result.stderr
    assert result.stdout.endswith(f"Of the agent, {verdict}.\n")


def test_check_of_both_sides_tells_what_they_share_once(run) -> None:
    result = run("config", "check", **COMPLETE, **{k: v for k, v in TASKS.items() if k not in COMPLETE})
    assert result.stdout.count("\nPOSTGRES__HOST ") == 1
    assert {"HUB__AUTH__FLOW", "TRUST_API_KEY", "TASKS__PARALLEL"} <= rows(result.stdout).keys()


def test_check_of_data_access_shows_what_it_reads_and_nothing_else(run) -> None:
    result = run("config", "check", "--service", "data-access", **(DATA_ACCESS | COMPLETE | TASKS))
    assert result.exit_code == 0, result.stderr
    shown = rows(result.stdout)
    assert set(shown) == {variable.name for variable in variables(DataAccessSettings)}
    assert shown["COHORT_QUERY_THRESHOLD"] == ("10", "default")
    assert shown["LISTEN__PORTS"] == ("8000", "default")
    assert shown["OMOP_POSTGRES_DB"] == ("omop", "environment")


@pytest.mark.parametrize(
    ("service", "given"),
    [("agent", COMPLETE | TASKS | TRUST_SECRETS), ("data-access", DATA_ACCESS | TRUST_SECRETS)],
)
def test_check_shows_no_secret_of_a_trust(run, service: str, given: dict[str, str]) -> None:
    result = run("config", "check", "--service", service, **given)
    assert result.exit_code == 0, result.stderr
    assert "4711" not in result.output
    for name in ("AES_KEY_BASE64", "TRUST_AES_KEY_BASE64"):
        assert given[name] not in result.output
        assert rows(result.stdout)[name][0] == "***"


def test_check_tells_names_of_older_releases_as_such(run) -> None:
    given = {name: value for name, value in TASKS.items() if name != "TRUST_API_KEY"}
    shown = rows(run("config", "check", PRIVATE_API_KEY="old-4711", TRUST_LOG_LEVEL="debug", **given).stdout)
    assert shown["TRUST_API_KEY"] == ("***", "environment, as PRIVATE_API_KEY")
    assert shown["LOG__LEVEL"] == ("DEBUG", "environment, as TRUST_LOG_LEVEL")


def test_check_shows_mappings_as_they_are_written(run) -> None:
    shown = rows(
        run("config", "check", TASKS__PARALLEL_BY_TYPE="cohort_query=4, create_imaging=1", **TASKS).stdout
    )
    assert shown["TASKS__PARALLEL_BY_TYPE"][0] == "cohort_query=4,create_imaging=1"
