"""Terraform opens the load balancer: the one rule, and nothing else. Collected only where there is a terraform."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.deploy.ansible.test_make_targets import ADDRESS, make
from tests.deploy.ansible.tools import Tools


@pytest.fixture
def module(tmp_path: Path, tools: Tools) -> Path:
    """A Terraform module with the variable of the hub's, the rule, and something else that must not be touched."""
    folder = tmp_path / "terraform"
    folder.mkdir()
    (folder / "main.tf").write_text(
        """
        variable "local_trust_public_ip" { default = "" }
        resource "terraform_data" "local_trust_fl_server_nlb" {
          count = var.local_trust_public_ip == "" ? 0 : 1
          input = "${var.local_trust_public_ip}/32"
        }
        resource "terraform_data" "something_else" { input = "other" }
        resource "terraform_data" "leaning" { input = terraform_data.something_else.output }
        """
    )
    ran = tools.run("terraform", f"-chdir={folder}", "init", "-input=false")
    assert ran.code == 0, ran.output
    return folder


def resources(folder: Path) -> dict[str, str]:
    """What Terraform has made, with the value of each."""
    state = json.loads((folder / "terraform.tfstate").read_text())
    return {
        resource["name"]: instance["attributes"]["input"]["value"]
        for resource in state["resources"]
        for instance in resource["instances"]
    }


def test_terraform_applies_the_one_rule_and_nothing_else(tools: Tools, module: Path) -> None:
    told = {
        "HUB_TERRAFORM_DIR": str(module),
        "HUB_TERRAFORM_TARGET": "terraform_data.local_trust_fl_server_nlb",
    }
    for address, said in (
        (ADDRESS, "is let through."),
        (ADDRESS, "nothing to change"),
        ("203.0.113.8", "is let"),
    ):
        ran = make(tools, "allow-local-trust", LOCAL_TRUST_IP=address, **told)
        assert ran.code == 0, ran.output
        assert said in ran.output
        assert resources(module) == {"local_trust_fl_server_nlb": f"{address}/32"}


def test_a_plan_that_would_change_more_is_not_applied(tools: Tools, module: Path) -> None:
    told = {"HUB_TERRAFORM_DIR": str(module), "HUB_TERRAFORM_TARGET": "terraform_data.leaning"}
    ran = make(tools, "allow-local-trust", LOCAL_TRUST_IP=ADDRESS, **told)
    assert ran.code != 0
    assert "Nothing was applied: the plan would also change terraform_data.something_else" in ran.output
    assert not (module / "terraform.tfstate").exists()
