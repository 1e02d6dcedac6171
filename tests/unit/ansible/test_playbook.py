"""What the playbook and its roles promise, read from their files."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.reference_pages import ROOT

ANSIBLE = ROOT / "ansible"
ROLES = sorted(path.name for path in (ANSIBLE / "roles").iterdir())
TASK_FILES = sorted((ANSIBLE / "roles").glob("*/tasks/*.yml"))
STARTS_OR_STOPS = re.compile(r"state: (started|restarted|stopped|reloaded)")


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text("utf-8"))


def tasks(path: Path) -> list[dict[str, Any]]:
    """All tasks of a file, those in blocks included."""
    found: list[dict[str, Any]] = []

    def walk(listed: list[dict[str, Any]]) -> None:
        for task in listed:
            found.append(task)
            for part in ("block", "rescue", "always"):
                walk(task.get(part, []))

    walk(load(path))
    return found


ALL_TASKS = [
    pytest.param(path, task, id=f"{path.parts[-3]}: {task['name']}")
    for path in TASK_FILES
    for task in tasks(path)
]
(PLAY,) = load(ANSIBLE / "site_local_trust.yml")


def test_the_play_is_for_the_trust_and_as_root() -> None:
    assert PLAY["hosts"] == "local_trust"
    assert PLAY["become"] is True


def test_every_role_is_used_once_with_a_tag_of_its_own() -> None:
    assert sorted(role["role"] for role in PLAY["roles"]) == ROLES
    assert len({tag for role in PLAY["roles"] for tag in role["tags"]}) == len(ROLES)


def test_docker_comes_before_the_stack_and_the_directories_before_the_kits() -> None:
    order = [role["role"] for role in PLAY["roles"]]
    assert order.index("flip_docker") < order.index("flip_trust_stack")
    assert order.index("flip_trust_dirs") < order.index("flip_fl_kit") < order.index("flip_trust_stack")


def test_nobody_joins_dockers_group() -> None:
    for path in [
        *TASK_FILES,
        *(ANSIBLE / "roles").glob("*/defaults/*.yml"),
        ANSIBLE / "site_local_trust.yml",
    ]:
        text = path.read_text("utf-8")
        assert not re.search(r"docker_users|usermod|gpasswd|adduser", text), path
    for path in TASK_FILES:
        for task in tasks(path):
            user = task.get("ansible.builtin.user", {})
            assert "groups" not in user, f"{task['name']}: the user's own group is enough"


@pytest.mark.parametrize(("path", "task"), ALL_TASKS)
def test_every_module_is_ansibles_own(path: Path, task: dict[str, Any]) -> None:
    """So nothing has to be fetched from Galaxy."""
    modules = [key for key in task if "." in key]
    assert all(key.startswith("ansible.builtin.") for key in modules), modules
    assert "shell" not in "".join(modules)


@pytest.mark.parametrize(("path", "task"), ALL_TASKS)
def test_what_is_written_has_an_owner_and_a_mode(path: Path, task: dict[str, Any]) -> None:
    for module in ("file", "copy", "template", "get_url"):
        written = task.get(f"ansible.builtin.{module}")
        if written is not None and written.get("state") != "absent":
            assert {"owner", "group", "mode"} <= written.keys(), task["name"]
            assert isinstance(written["mode"], str), "a number would be read in decimal"


@pytest.mark.parametrize(("path", "task"), ALL_TASKS)
def test_what_carries_secrets_is_not_shown(path: Path, task: dict[str, Any]) -> None:
    source = str(task.get("ansible.builtin.copy", {}).get("src", ""))
    if "kit_file" in source or "kit.tar" in source:
        assert task["no_log"] is True
        assert task["diff"] is False
        assert task["ansible.builtin.copy"]["mode"] == "0600"


@pytest.mark.parametrize("path", [*TASK_FILES, *(ANSIBLE / "roles").glob("*/handlers/*.yml")], ids=str)
def test_services_are_touched_only_where_systemd_runs(path: Path) -> None:
    for task in tasks(path):
        if "ansible.builtin.systemd_service" in task and STARTS_OR_STOPS.search(yaml.safe_dump(task)):
            assert "flip_systemd_runs" in str(task["when"]), task["name"]


@pytest.mark.parametrize("role", ROLES)
def test_a_roles_variables_bear_its_name(role: str) -> None:
    for name in load(ANSIBLE / "roles" / role / "defaults/main.yml") or {}:
        assert name.startswith(f"{role}_")


@pytest.mark.parametrize("release", ["jammy", "noble", "trixie"])
def test_a_release_with_compose_2_of_its_own_can_do_without_dockers_packages(release: str) -> None:
    packages = load(ANSIBLE / "roles/flip_docker/vars/main.yml")["flip_docker_distribution_packages"][release]
    assert "docker.io" in packages
    assert ("docker-compose-v2" if release != "trixie" else "docker-compose") in packages


def test_debian_12_has_no_packages_of_its_own_that_would_do() -> None:
    variables = load(ANSIBLE / "roles/flip_docker/vars/main.yml")
    assert "bookworm" not in variables["flip_docker_distribution_packages"]


def test_dockers_own_packages_are_taken_with_a_pinned_key() -> None:
    variables = load(ANSIBLE / "roles/flip_docker/vars/main.yml")
    assert {"docker-ce", "docker-compose-plugin"} <= set(variables["flip_docker_own_packages"])
    defaults = load(ANSIBLE / "roles/flip_docker/defaults/main.yml")
    assert re.fullmatch("sha256:[0-9a-f]{64}", defaults["flip_docker_key_checksum"])


def test_the_backend_and_the_directory_have_flips_defaults() -> None:
    shared = load(ANSIBLE / "group_vars/all.yml")
    assert (shared["flip_fl_backend"], shared["flip_dir"], shared["flip_user"]) == (
        "nvflare",
        "/opt/flip",
        "ubuntu",
    )


def test_nothing_is_fetched_from_galaxy() -> None:
    assert load(ANSIBLE / "requirements.yml") == {"roles": [], "collections": []}


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-test.lock"])
def test_requirements_are_pinned_by_hash_and_name_no_registry(name: str) -> None:
    text = (ANSIBLE / name).read_text("utf-8")
    packages = re.findall(r"^[a-z0-9][^ ]*", text, re.MULTILINE | re.IGNORECASE)
    assert packages
    assert all("==" in package for package in packages)
    assert "://" not in text
    assert text.count("--hash=sha256:") >= len(packages)


def test_flips_own_uv_installs_what_the_targets_install() -> None:
    wanted = tomllib.loads((ROOT / "deploy/providers/AWS/pyproject.toml").read_text("utf-8"))
    lines = (ANSIBLE / "requirements.in").read_text("utf-8").splitlines()
    assert wanted["project"]["dependencies"] == [line for line in lines if line and not line.startswith("#")]


def test_the_playbook_at_flips_place_needs_nothing_of_galaxy_either() -> None:
    assert load(ROOT / "deploy/providers/local/requirements.yml") == load(ANSIBLE / "requirements.yml")


def test_a_restart_of_docker_does_not_end_the_stack_and_a_stop_keeps_its_logs() -> None:
    unit = (ANSIBLE / "roles/flip_trust_stack/templates/flip-trust.service.j2").read_text("utf-8")
    for tied in ("Requires=", "BindsTo=", "PartOf="):
        assert f"\n{tied}" not in unit
    assert "\nWants=docker.service " in unit
    assert "\nAfter=docker.service " in unit
    assert "\nExecStop=/usr/bin/make stop-local-trust\n" in unit


def test_a_unit_waits_for_its_own_kit_alone() -> None:
    unit = (ANSIBLE / "roles/flip_trust_stack/templates/flip-trust.service.j2").read_text("utf-8")
    conditions = re.findall(r"^Condition(\w+)=(.+)$", unit, re.MULTILINE)
    assert [kind for kind, _ in conditions] == ["PathExists"] * 2
    assert all(path.startswith("|") and "*" not in path for _, path in conditions), "either will do"


def test_a_user_who_is_there_is_never_changed() -> None:
    for path in TASK_FILES:
        for task in tasks(path):
            if "ansible.builtin.user" in task:
                absent = {"flip_user_group.stdout | length == 0", "flip_trust_dirs_xnat.results[1].rc != 0"}
                conditions = task["when"] if isinstance(task["when"], list) else [task["when"]]
                assert conditions[0] in absent, task["name"]


def test_the_engine_is_not_upgraded_unattended() -> None:
    held = load(ANSIBLE / "roles/flip_security_updates/defaults/main.yml")["flip_security_updates_held"]
    engines = load(ANSIBLE / "roles/flip_docker/vars/main.yml")["flip_docker_distribution_packages"].values()
    assert {"docker.io", "containerd", "runc"} <= set(held)
    assert all(set(held) & set(packages) for packages in engines)


def test_nothing_is_asked_of_containers_of_other_stacks() -> None:
    daemon = load(ANSIBLE / "roles/flip_docker/defaults/main.yml")["flip_docker_daemon"]
    assert set(daemon) == {"log-driver", "log-opts"}, "bounds for logs alone"
