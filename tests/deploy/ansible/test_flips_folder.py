"""FLIP's commands at FLIP's place, as its documentation writes them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.deploy.ansible.conftest import Provisioned
from tests.deploy.ansible.test_make_targets import ADDRESS, MAKE_GROUP, SHOW_GROUP
from tests.deploy.ansible.test_playbook import counts
from tests.deploy.ansible.tools import Ran, Tools
from tests.deploy.machine import ROOT

FOLDER = ROOT / "deploy/providers/AWS"
PLAYBOOK = "../local/site_local_trust.yml"
OTHERS = [8002, "198.51.100.9/32"]


def make(tools: Tools, *arguments: str, **environ: str) -> Ran:
    """Run make there with the tests' tools for its own."""
    command = ("make", "--no-print-directory", *arguments, f"DEPLOY_VENV={tools.venv}")
    return tools.run(*command, environ=environ, cwd=FOLDER)


@pytest.fixture
def hub(tmp_path: Path) -> Path:
    """A hub's checkout whose targets say what they were told."""
    folder = tmp_path / "hub/deploy/providers/AWS"
    folder.mkdir(parents=True)
    (folder / "Makefile").write_text(
        "init plan apply deploy-centralhub:\n\t@echo the hub: $@ $(PROD) $(TF_VAR_local_trust_public_ip)\n"
    )
    return tmp_path / "hub"


@pytest.mark.parametrize("target", ["init", "plan", "apply", "deploy-centralhub"])
def test_what_is_the_hubs_is_said_in_one_line_where_no_hub_is_given(tools: Tools, target: str) -> None:
    ran = make(tools, target)
    assert ran.code != 0
    assert f"✘ make {target} is for the hub: give HUB_DIR=<checkout of the hub>" in ran.output.splitlines()[0]


@pytest.mark.parametrize("target", ["init", "plan", "apply", "deploy-centralhub"])
def test_what_is_the_hubs_is_left_to_the_hubs_own_makefile(tools: Tools, hub: Path, target: str) -> None:
    ran = make(tools, target, f"HUB_DIR={hub}", "PROD=stag")
    assert ran.code == 0, ran.output
    assert f"the hub: {target} stag" in ran.output


def test_this_repository_is_not_taken_for_the_hubs(tools: Tools) -> None:
    ran = make(tools, "init", HUB_DIR=str(ROOT))
    assert ran.code != 0
    assert "✘ make init is for the hub" in ran.output


def test_plan_and_apply_with_an_address_open_the_load_balancer(tools: Tools, amazon: dict[str, str]) -> None:
    group = tools.python(MAKE_GROUP, amazon)
    told = {**amazon, "FL_NLB_SECURITY_GROUP_ID": group, "TF_VAR_local_trust_public_ip": ADDRESS}
    show = {**amazon, "GROUP": group}
    planned = make(tools, "plan", **told)
    assert planned.code == 0, planned.output
    assert f"{group} would let {ADDRESS}/32 reach port 8002; nothing was changed" in planned.output
    assert tools.python(SHOW_GROUP, show) == [OTHERS]
    applied = make(tools, "plan", "apply", **told)
    assert applied.code == 0, applied.output
    assert tools.python(SHOW_GROUP, show) == [OTHERS, [8002, f"{ADDRESS}/32"]]


def test_plan_and_apply_with_an_address_and_a_hub_are_the_hubs(tools: Tools, hub: Path) -> None:
    ran = make(tools, "plan", "apply", HUB_DIR=str(hub), TF_VAR_local_trust_public_ip=ADDRESS)
    assert ran.code == 0, ran.output
    assert f"the hub: plan stag {ADDRESS}" in ran.output
    assert f"the hub: apply stag {ADDRESS}" in ran.output


def test_stag_is_meant_there_where_prod_is_not_given(tools: Tools, hub: Path) -> None:
    assert "the hub: init stag" in make(tools, "init", f"HUB_DIR={hub}").output
    assert "the hub: init true" in make(tools, "init", f"HUB_DIR={hub}", "PROD=true").output
    assert "the hub: init true" in make(tools, "init", HUB_DIR=str(hub), PROD="true").output


def test_apply_with_an_address_and_no_way_says_what_to_send_to_the_hubs_administrator(tools: Tools) -> None:
    ran = make(tools, "apply", TF_VAR_local_trust_public_ip=ADDRESS)
    assert ran.code == 0, ran.output
    assert f"--protocol tcp --port 8002 --cidr {ADDRESS}/32" in ran.output


def test_paths_are_seen_from_the_folder_that_make_was_called_in(tools: Tools, tmp_path: Path) -> None:
    # So that make takes the node for an installed one, and does not install it anew beneath the tests.
    (tmp_path / ".installed").touch()
    ran = make(tools, "full-deploy-hybrid", "PROD=stag", "HUB_DIR=../local", f"VENV={tmp_path}")
    assert ran.code != 0
    assert "HUB_DIR is ../local, and the hub's Makefile is neither in it" in ran.output
    ran = make(
        tools, "add-local-trust", f"LOCAL_TRUST_IP={ADDRESS}", "LOCAL_TRUST_SSH_KEY=../local/requirements.yml"
    )
    assert ran.code != 0
    assert "LOCAL_TRUST_SSH_KEY has mode" in ran.output, "it was looked for elsewhere"


def play(tools: Tools, provisioned: Provisioned, *arguments: str) -> Ran:
    """Run the playbook directly, from there, with a host and no inventory, and without any settings of Ansible's."""
    host = f"--inventory={provisioned.target.root},"
    return tools.run(
        "ansible-playbook", host, "--connection=community.general.chroot", PLAYBOOK, *arguments, cwd=FOLDER
    )


def test_the_requirements_beside_the_playbook_can_be_installed(tools: Tools) -> None:
    ran = tools.run("ansible-galaxy", "install", "-r", "../local/requirements.yml", cwd=FOLDER)
    assert ran.code == 0, ran.output


def test_the_playbook_provisions_a_host_that_is_given_directly(
    tools: Tools, provisioned: Provisioned
) -> None:
    ran = play(tools, provisioned, "-e", f"trust_public_ip={ADDRESS}", "-e", "flip_dir=/srv/flip")
    assert ran.code == 0, ran.output
    assert f"make allow-local-trust LOCAL_TRUST_IP={ADDRESS}" in ran.output
    assert provisioned.target.ownership("/srv/flip/data/images/net-1") == ("ubuntu:ubuntu", "0755")
    assert provisioned.target.path("/srv/flip-trust/Makefile").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "trust_public_ip is missing"),
        (("-e", "trust_public_ip=192.168.1.7"), "trust_public_ip is '192.168.1.7'"),
        (("-e", "trust_public_ip=http://trust"), "trust_public_ip is 'http://trust'"),
    ],
)
def test_an_address_that_is_missing_or_wrong_is_said_before_anything_is_done(
    tools: Tools, provisioned: Provisioned, arguments: tuple[str, ...], said: str
) -> None:
    ran = play(tools, provisioned, *arguments)
    assert ran.code != 0
    assert said in ran.output
    assert "Gathering Facts" not in ran.output


def test_the_name_of_a_host_will_do_for_its_address(tools: Tools, provisioned: Provisioned) -> None:
    ran = play(tools, provisioned, "-e", "trust_public_ip=trust.example.org", "--check", "--tags=dirs")
    assert ran.code == 0, ran.output
    assert "let trust.example.org through" in ran.output


def test_hosts_beside_the_group_of_an_inventory_are_left_alone(
    tools: Tools, provisioned: Provisioned, tmp_path: Path
) -> None:
    inventory = tmp_path / "hosts.yml"
    inventory.write_text(
        f"local_trust: {{hosts: {{trust: {{ansible_host: {provisioned.target.root}}}}}}}\n"
        "others: {hosts: {database: {ansible_host: /nowhere}}}\n"
    )
    ran = tools.run(
        "ansible-playbook",
        f"--inventory={inventory}",
        "--connection=community.general.chroot",
        PLAYBOOK,
        "--check",
        "--tags=dirs",
        "--extra-vars=trust_public_ip=203.0.113.7",
        cwd=FOLDER,
    )
    assert ran.code == 0, ran.output
    assert "database" not in ran.output
    assert counts(ran)["failed"] == 0
