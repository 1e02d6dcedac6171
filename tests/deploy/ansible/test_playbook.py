"""The playbook on a bare Debian: what it does, what it leaves alone, and that it does it once."""

from __future__ import annotations

import json
import os
import re
import shutil
import time

import pytest

from tests.deploy.ansible.conftest import Provisioned
from tests.deploy.ansible.tools import Ran, Tools
from tests.deploy.machine import ROOT

OF_USER = (
    "/opt/flip",
    "/opt/flip/data",
    "/opt/flip/data/images",
    "/opt/flip/data/images/net-1",
    "/opt/flip/data/images/net-2",
    "/opt/flip/services/Trust_2/startup",
    "/opt/flip/services/Trust_2/local",
    "/opt/flip/services/Trust_2/transfer",
    "/opt/flip/fl-kit/net-1/services/Trust_2/startup",
    "/opt/flip/fl-kit/net-1/services/Trust_2/local",
    "/opt/flip/fl-kit/net-1/services/Trust_2/transfer",
    "/opt/flip/fl-kit/net-1/certificates",
    "/opt/flip/fl-kit/net-1/keys",
)
OF_XNAT = (
    "/opt/flip/xnat",
    "/opt/flip/xnat-data/tomcat_logs",
    "/opt/flip/xnat-data/archive",
    "/opt/flip/xnat-data/build",
    "/opt/flip/xnat-data/cache",
    "/opt/flip/xnat-db-data",
)


def counts(ran: Ran) -> dict[str, int]:
    """Ansible's own summary of a run."""
    (line,) = re.findall(r"^trust +: (.+)$", ran.output, re.MULTILINE)
    return {name: int(value) for name, value in (pair.split("=") for pair in line.split())}


def test_a_trial_run_on_a_bare_host_says_what_would_change_and_changes_nothing(
    provisioned: Provisioned,
) -> None:
    assert provisioned.checked.code == 0, provisioned.checked.output
    assert counts(provisioned.checked)["changed"] > 10
    assert counts(provisioned.first)["changed"] >= counts(provisioned.checked)["changed"], (
        "the trial changed something"
    )


def test_the_first_run_changes_the_host(provisioned: Provisioned) -> None:
    assert provisioned.first.code == 0, provisioned.first.output
    assert counts(provisioned.first)["changed"] > 15


def test_the_second_run_changes_nothing(provisioned: Provisioned) -> None:
    assert provisioned.second.code == 0, provisioned.second.output
    assert counts(provisioned.second)["changed"] == 0, provisioned.second.output


@pytest.mark.parametrize("path", OF_USER)
def test_directories_of_the_trust_belong_to_its_user(provisioned: Provisioned, path: str) -> None:
    assert provisioned.target.ownership(path) == ("ubuntu:ubuntu", "0755")


@pytest.mark.parametrize("path", OF_XNAT)
def test_directories_of_xnat_belong_to_xnat(provisioned: Provisioned, path: str) -> None:
    assert provisioned.target.ownership(path) == ("flip-xnat:flip-xnat", "0755")
    assert (provisioned.target.path(path).stat().st_uid, provisioned.target.path(path).stat().st_gid) == (
        1001,
        1001,
    )


def test_xnats_user_cannot_log_in(provisioned: Provisioned) -> None:
    assert provisioned.target.run("getent", "passwd", "flip-xnat").strip().endswith(":/usr/sbin/nologin")


def test_the_kit_is_its_owners_alone_and_never_shown(provisioned: Provisioned) -> None:
    kit = "/opt/flip-trust/.env.Trust_2.stag"
    assert provisioned.target.ownership(kit) == ("root:root", "0600")
    assert "sentinel-of-the-api-key" in provisioned.target.path(kit).read_text()
    for ran in (provisioned.checked, provisioned.first, provisioned.second):
        assert "sentinel-of-the-api-key" not in ran.output


def test_no_other_kit_and_no_backup_is_copied_along(provisioned: Provisioned) -> None:
    found = [path.name for path in provisioned.target.path("/opt/flip-trust").iterdir()]
    assert [name for name in found if name.startswith(".env")] == [".env.Trust_2.stag"]
    assert "backups" not in found


def test_what_an_earlier_release_has_brought_is_removed_and_nothing_else(
    provisioned: Provisioned, tools: Tools
) -> None:
    stack = provisioned.target.path("/opt/flip-trust")
    for name in ("compose.gone.yml", "compose.own.yml"):
        (stack / name).write_text("services: {}\n")
    listed = stack / ".stack-files"
    listed.write_text(listed.read_text() + "compose.gone.yml\n")
    ran = provisioned.target.play(tools, "--tags=stack")
    assert ran.code == 0, ran.output
    assert not (stack / "compose.gone.yml").exists()
    assert (stack / "compose.own.yml").exists(), "it is not the release's"
    assert (stack / ".env.Trust_2.stag").exists()
    (stack / "compose.own.yml").unlink()


def test_only_root_can_exchange_what_its_unit_runs(provisioned: Provisioned, tools: Tools) -> None:
    for path in ("/opt", "/opt/flip-trust", "/opt/flip-trust/Makefile", "/opt/flip-trust/scripts/up.sh"):
        owner, mode = provisioned.target.ownership(path)
        assert (owner, int(mode, 8) & 0o022) == ("root:root", 0), path
    ran = provisioned.target.play(tools, "--tags=stack", "-e", "flip_trust_stack_dir=/opt/flip/trust")
    assert ran.code != 0
    assert "/opt/flip is not a folder that root alone may write in" in re.sub(r"\s+", " ", ran.output)


def test_nobody_joins_dockers_group(provisioned: Provisioned) -> None:
    assert re.fullmatch(r"docker:x:\d+:", provisioned.target.run("getent", "group", "docker").strip())
    assert "docker" not in provisioned.target.run("id", "-nG", "ubuntu").split()


def test_compose_is_new_enough(provisioned: Provisioned) -> None:
    major, minor = (
        provisioned.target.run("docker", "compose", "version", "--short").strip().lstrip("v").split(".")[:2]
    )
    assert (int(major), int(minor)) >= (2, 24)


def test_containers_cannot_fill_the_disk_with_logs(provisioned: Provisioned) -> None:
    settings = json.loads(provisioned.target.path("/etc/docker/daemon.json").read_text())
    assert settings["log-opts"] == {"max-size": "10m", "max-file": "5"}


def test_stack_and_firewall_come_up_at_boot(provisioned: Provisioned) -> None:
    assert (
        provisioned.target.run("systemctl", "is-enabled", "flip-trust", "flip-firewall").split()
        == ["enabled"] * 2
    )
    unit = provisioned.target.path("/etc/systemd/system/flip-trust.service").read_text()
    assert "ExecStart=/usr/bin/make up-local-trust" in unit
    assert "Environment=PROD=stag\nEnvironment=KIT=Trust_2\n" in unit


@pytest.mark.parametrize("unit", ["flip-trust", "flip-firewall"])
def test_systemd_finds_nothing_wrong_in_the_units(provisioned: Provisioned, unit: str) -> None:
    said = provisioned.target.run(
        "sh", "-c", f"systemd-analyze verify --man=no /etc/systemd/system/{unit}.service 2>&1"
    )
    assert [line for line in said.splitlines() if "/etc/systemd/system" in line] == []


def test_security_updates_are_all_that_installs_itself(provisioned: Provisioned) -> None:
    shown = provisioned.target.run("apt-config", "dump", "Unattended-Upgrade::Origins-Pattern")
    assert re.findall(r'"(.+)";', shown) == [
        "origin=Debian,codename=${distro_codename}-security,label=Debian-Security"
    ]
    assert provisioned.target.run("apt-config", "dump", "Unattended-Upgrade::Allowed-Origins").strip() in {
        "",
        'Unattended-Upgrade::Allowed-Origins "";',
    }


def test_the_distributions_engine_is_not_upgraded_unattended(provisioned: Provisioned) -> None:
    shown = provisioned.target.run("apt-config", "dump", "Unattended-Upgrade::Package-Blacklist")
    assert re.findall(r'"(.+)";', shown) == [r"^docker\.io$", "^containerd$", "^runc$"]


def test_logs_of_files_are_rotated(provisioned: Provisioned) -> None:
    log = provisioned.target.path("/opt/flip/xnat-data/tomcat_logs/xnat.log")
    log.write_text("a line\n")
    os.chown(log, 1001, 1001)
    provisioned.target.run("logrotate", "--force", "/etc/logrotate.d/flip")
    assert provisioned.target.ownership("/opt/flip/xnat-data/tomcat_logs/xnat.log.1") == (
        "flip-xnat:flip-xnat",
        "0644",
    )


def test_the_firewall_lets_nothing_in_but_ssh(provisioned: Provisioned) -> None:
    rules = provisioned.target.path("/etc/flip/firewall.nft").read_text()
    assert "policy drop;" in rules
    assert re.findall(r"tcp dport (\d+) accept", rules) == ["22"]
    assert "flush" not in rules, "rules of Docker would be lost"


def test_docker_from_snap_is_refused_with_what_to_do(provisioned: Provisioned, tools: Tools) -> None:
    snap = provisioned.target.path("/snap/bin/docker")
    snap.parent.mkdir(parents=True)
    snap.touch()
    try:
        ran = provisioned.target.play(tools, "--tags=docker")
    finally:
        shutil.rmtree(snap.parents[1])
    assert ran.code != 0
    assert "sudo snap remove docker" in ran.output


def test_a_user_who_is_there_keeps_group_and_shell(provisioned: Provisioned, tools: Tools) -> None:
    target = provisioned.target
    target.run("useradd", "--gid", "users", "--shell", "/usr/sbin/nologin", "warden")
    before = target.run("getent", "passwd", "warden")
    told = ("--tags=dirs", "-e", "flip_user=warden", "-e", "flip_dir=/srv/other")
    ran = target.play(tools, *told)
    assert ran.code == 0, ran.output
    assert target.run("getent", "passwd", "warden") == before
    assert target.ownership("/srv/other/data") == ("warden:users", "0755")
    assert "warden" not in target.run("getent", "group")


def test_a_link_that_the_user_has_put_in_a_folders_place_is_refused(
    provisioned: Provisioned, tools: Tools
) -> None:
    target = provisioned.target
    before = target.ownership("/etc")
    target.run("rmdir", "/opt/flip/data/images/net-2")
    target.run("ln", "-s", "/etc", "/opt/flip/data/images/net-2")
    ran = target.play(tools, "--tags=dirs")
    target.run("rm", "/opt/flip/data/images/net-2")
    assert ran.code != 0
    assert "/opt/flip/data/images/net-2 already exists as a link" in ran.output
    assert target.ownership("/etc") == before
    assert target.play(tools, "--tags=dirs").code == 0


def test_what_a_run_that_was_cut_has_left_behind_is_removed(provisioned: Provisioned, tools: Tools) -> None:
    folder = provisioned.target.path("/root/.ansible/tmp")
    for name in ("ansible-tmp-1-cut", "ansible-tmp-2-runs"):
        (folder / name).mkdir(parents=True)
        (folder / name / ".source").write_text("TRUST_API_KEY=a\n")
    earlier = time.time() - 7200
    os.utime(folder / "ansible-tmp-1-cut", (earlier, earlier))
    assert provisioned.target.play(tools, "--tags=dirs").code == 0
    assert [path.name for path in folder.glob("ansible-tmp-[12]-*")] == ["ansible-tmp-2-runs"]
    shutil.rmtree(folder / "ansible-tmp-2-runs")


def test_a_run_with_one_tag_brings_what_ansible_reads_the_packages_with(
    provisioned: Provisioned, tools: Tools
) -> None:
    provisioned.target.run("dpkg", "--purge", "--force-depends", "python3-apt")
    ran = provisioned.target.play(tools, "--tags=time")
    assert ran.code == 0, ran.output
    assert "install ok installed" in provisioned.target.run("dpkg", "--status", "python3-apt")


def test_settings_of_the_engine_that_are_there_are_kept(provisioned: Provisioned, tools: Tools) -> None:
    path = provisioned.target.path("/etc/docker/daemon.json")
    before = path.read_text()
    path.write_text(json.dumps({"registry-mirrors": ["https://mirror.example"], "log-opts": {"tag": "x"}}))
    assert provisioned.target.play(tools, "--tags=docker").code == 0
    settings = json.loads(path.read_text())
    assert settings["registry-mirrors"] == ["https://mirror.example"]
    assert settings["log-opts"] == {"tag": "x", "max-size": "10m", "max-file": "5"}
    path.write_text(before)


@pytest.mark.parametrize("folder", ["ansible", "deploy/providers/local"])
def test_the_linters_strictest_profile_finds_nothing(tools: Tools, folder: str) -> None:
    ran = tools.run("ansible-lint", "--offline", "--profile=production", "--strict", cwd=ROOT / folder)
    assert ran.code == 0, ran.output
