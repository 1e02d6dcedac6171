"""The hub's own rule, as its Terraform has it, applied by the real provider of Amazon.

Collected only where TF_PLUGIN_DIR names a folder that `terraform init -plugin-dir` takes the provider from.
"""

from __future__ import annotations

import os
from pathlib import Path

from tests.deploy.ansible.test_make_targets import ADDRESS, SHOW_GROUP, make
from tests.deploy.ansible.tools import Tools

PLUGINS = os.environ["TF_PLUGIN_DIR"]
MODULE = """
terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}
provider "aws" {
  skip_credentials_validation = true
  skip_requesting_account_id  = true
  skip_metadata_api_check     = true
}
variable "local_trust_public_ip" { default = "" }
resource "aws_security_group" "nlb" { name = "nlb" }
resource "aws_security_group" "other" { name = "other" }
resource "aws_security_group_rule" "local_trust_fl_server_nlb" {
  count             = var.local_trust_public_ip == "" ? 0 : 1
  type              = "ingress"
  protocol          = "tcp"
  from_port         = 8002
  to_port           = 8002
  cidr_blocks       = ["${var.local_trust_public_ip}/32"]
  security_group_id = aws_security_group.nlb.id
}
output "group" { value = aws_security_group.nlb.id }
"""


def test_the_hubs_own_rule_is_applied_alone(tools: Tools, amazon: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "main.tf").write_text(MODULE)

    def terraform(*arguments: str) -> str:
        ran = tools.run("terraform", f"-chdir={tmp_path}", *arguments, environ=amazon)
        assert ran.code == 0, ran.output
        return ran.output

    terraform("init", "-input=false", f"-plugin-dir={PLUGINS}")
    terraform("apply", "-auto-approve", "-input=false", "-target=aws_security_group.nlb")
    group = terraform("output", "-raw", "group").strip()
    for address in (ADDRESS, "203.0.113.8"):
        told = {**amazon, "HUB_TERRAFORM_DIR": str(tmp_path), "LOCAL_TRUST_IP": address}
        ran = make(tools, "allow-local-trust", **told)
        assert ran.code == 0, ran.output
        found = tools.python(SHOW_GROUP, {**amazon, "GROUP": group})
        assert found == [[8002, f"{address}/32"]]
    assert "aws_security_group.other" not in terraform("state", "list")
