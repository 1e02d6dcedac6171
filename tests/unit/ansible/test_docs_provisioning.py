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


def test_every_command_at_flips_place_is_told() -> None:
    (phony,) = re.findall(
        r"^\.PHONY: (.+)$", (ROOT / "deploy/providers/AWS/Makefile").read_text("utf-8"), re.MULTILINE
    )
    section = sections(page(PAGE))["FLIP's commands at FLIP's place"]
    assert_same(set(re.findall(r"`make ([a-z-]+)`", section)), set(phony.split()) - {"help"}, PAGE)


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


def test_every_default_is_told_as_it_is() -> None:
    """What Ansible computes, and long lists, are told in words."""
    defaults = yaml.safe_load((ANSIBLE / "group_vars/all.yml").read_text("utf-8"))
    for path in (ANSIBLE / "roles").glob("*/defaults/main.yml"):
        defaults |= yaml.safe_load(path.read_text("utf-8")) or {}
    for name, (_, default) in told("Variables of the roles").items():
        match defaults[name]:
            case str(text) if "{{" in text:
                assert default == "derived", name
            case list() | dict() as several if several:
                assert default == "see the role", name
            case "" | [] | {}:
                assert default in {"empty", "none", "`{}`"}, name
            case bool(value):
                assert default == f"`{str(value).lower()}`", name
            case value:
                assert default == f"`{value}`", name


def test_every_target_at_flips_place_is_told() -> None:
    makefile = (ROOT / "deploy/providers/AWS/Makefile").read_text("utf-8")
    real = {
        name
        for line in re.findall(r"^([a-z][a-z -]*):(?!=)", makefile, re.MULTILINE)
        for name in line.split()
    }
    section = sections(page(PAGE))["FLIP's commands at FLIP's place"]
    named = {name for row in section.splitlines() for name in re.findall(r"`make ([a-z-]+)`", row)}
    assert_same(named, real - {"help"}, PAGE)


def test_every_variable_at_flips_place_is_told() -> None:
    makefile = (ROOT / "deploy/providers/AWS/Makefile").read_text("utf-8")
    read = set(re.findall(r"\$[({]([A-Z][A-Za-z_]+)[)}]", makefile))
    own = set(re.findall(r"^([A-Z_]+) *:?=", makefile, re.MULTILINE)) | {"MAKE", "MAKEFILE_LIST", "CURDIR"}
    assert {name for name in read - own if f"`{name}" not in page(PAGE)} == set()


ORDINARY = {f"{kind}/main.yml" for kind in ("defaults", "meta", "tasks", "handlers", "vars")}


def test_every_file_of_the_roles_is_told() -> None:
    found = {
        path.relative_to(ANSIBLE / "roles").as_posix()
        for path in (ANSIBLE / "roles").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    extraordinary = {name for name in found if name.partition("/")[2] not in ORDINARY}
    assert_same({name for name in told("Files") if name.startswith("flip_")}, extraordinary, PAGE)


def test_every_file_that_is_written_on_the_host_is_told_with_its_role() -> None:
    written = {
        (place, path.parts[-3])
        for path in (ANSIBLE / "roles").glob("*/tasks/*.yml")
        for place in re.findall(r"^ +dest: (/etc/\S+)$", path.read_text("utf-8"), re.MULTILINE)
    }
    assert {(place, cells[0].strip("`")) for place, cells in told("On the host").items()} == written


def test_every_file_is_told() -> None:
    found = {
        path.relative_to(ROOT).as_posix()
        for folder in (ANSIBLE, ROOT / "deploy", ROOT / "scripts/provision")
        for path in folder.rglob("*")
        if (path.is_file() or path.is_symlink())
        and not {"roles", "__pycache__", ".ansible", ".cache"} & set(path.relative_to(ROOT).parts)
    }
    assert_same({name for name in told("Files") if not name.startswith("flip_")}, found, PAGE)
