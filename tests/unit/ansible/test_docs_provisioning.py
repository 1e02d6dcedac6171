"""docs/reference/provisioning.md tells all targets, variables, roles and files, and none that is gone."""

from __future__ import annotations

import re

import yaml

from tests.unit.reference_pages import ROOT, assert_same, page, rows, sections

ANSIBLE = ROOT / "ansible"
PAGE = "provisioning.md"
NOT_EXPORTED = {"DEPLOY_VENV", "ANSIBLE_BECOME_PASS", "NODE_IMAGE"}
"""One is make's own; one must not be seen on a command line; one has a default of make's own."""


def told(section: str) -> dict[str, list[str]]:
    return rows(sections(page(PAGE))[section])


def targets_file() -> str:
    return (ANSIBLE / "targets.mk").read_text("utf-8")


def test_every_target_is_told() -> None:
    (phony,) = re.findall(r"^\.PHONY: (.+)$", targets_file(), re.MULTILINE)
    assert_same(set(told("Targets")), set(phony.split()), PAGE)


def test_every_target_has_a_line_in_the_help() -> None:
    for target in told("Targets"):
        assert re.search(rf"^{target}:.*## \w", targets_file(), re.MULTILINE), target


def test_every_variable_of_the_targets_is_told() -> None:
    (exported,) = re.findall(r"^export ((?:.*\\\n)*.*)$", targets_file(), re.MULTILINE)
    assert_same(
        set(told("Variables of the targets")), set(exported.replace("\\", " ").split()) | NOT_EXPORTED, PAGE
    )


def test_every_variable_that_the_scripts_read_reaches_them() -> None:
    read = set()
    for path in (ROOT / "scripts/provision").glob("*.py"):
        read |= set(re.findall(r"""(?:\.get\(|environ\[)["']([A-Z][A-Z_]+)["']""", path.read_text("utf-8")))
    read -= {"ANSIBLE_BECOME_PASS", "AES_KEY_BASE64"}
    assert read <= set(told("Variables of the targets")), read - set(told("Variables of the targets"))


def test_every_role_is_told_in_the_order_of_the_play() -> None:
    (play,) = yaml.safe_load((ANSIBLE / "site_local_trust.yml").read_text("utf-8"))
    wanted = [(role["role"], role["tags"][0]) for role in play["roles"]]
    assert [(name, cells[1]) for name, cells in told("Roles").items()] == wanted


def test_every_variable_of_the_roles_is_told() -> None:
    names = set(yaml.safe_load((ANSIBLE / "group_vars/all.yml").read_text("utf-8")))
    for path in (ANSIBLE / "roles").glob("*/defaults/main.yml"):
        names |= set(yaml.safe_load(path.read_text("utf-8")) or {})
    assert_same(set(told("Variables of the roles")), names, PAGE)


def test_every_file_is_told() -> None:
    found = {
        path.relative_to(ROOT).as_posix()
        for folder in (ANSIBLE, ROOT / "deploy", ROOT / "scripts/provision")
        for path in folder.rglob("*")
        if (path.is_file() or path.is_symlink())
        and not {"roles", "__pycache__", ".ansible", ".cache"} & set(path.relative_to(ROOT).parts)
    }
    assert_same(set(told("Files")), found, PAGE)
