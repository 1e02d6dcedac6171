"""The make targets as an operator runs them: what they say is missing, what they run, and how they open the way."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.deploy.ansible.conftest import Provisioned
from tests.deploy.ansible.tools import Ran, Tools
from tests.deploy.machine import ROOT

ADDRESS = "203.0.113.7"
TRUST_KEY = "sentinel-of-the-api-key"
AES_KEY = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
MAKE_GROUP = """
import boto3, json
ec2 = boto3.client("ec2")
group = ec2.create_security_group(GroupName="nlb", Description="nlb")["GroupId"]
other = {"CidrIp": "198.51.100.9/32", "Description": "FL client of Trust_1"}
rule = {"IpProtocol": "tcp", "FromPort": 8002, "ToPort": 8002, "IpRanges": [other]}
ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[rule])
print(json.dumps(group))
"""
SHOW_GROUP = """
import boto3, json, os
(group,) = boto3.client("ec2").describe_security_groups(GroupIds=[os.environ["GROUP"]])["SecurityGroups"]
print(json.dumps(sorted([rule["FromPort"], r["CidrIp"]] for rule in group["IpPermissions"] for r in rule["IpRanges"])))
"""


def make(tools: Tools, target: str, **variables: str) -> Ran:
    """Run a target of the root Makefile with the tests' tools for its own."""
    return tools.run("make", "--no-print-directory", target, f"DEPLOY_VENV={tools.venv}", environ=variables)


@pytest.fixture
def kit(tmp_path: Path) -> Path:
    """A kit that has all keys."""
    path = tmp_path / ".env.Trust_2.stag"
    path.write_text(
        f"TRUST_NAME=Trust_2\nTRUST_API_KEY={TRUST_KEY}\nAES_KEY_BASE64={AES_KEY}\nFL_SERVER_PORT=8002\n"
    )
    path.chmod(0o600)
    return path


@pytest.mark.parametrize("target", ["add-local-trust", "allow-local-trust"])
def test_a_missing_address_is_said_with_the_whole_command(tools: Tools, target: str) -> None:
    ran = make(tools, target)
    assert ran.code != 0
    assert "LOCAL_TRUST_IP is missing" in ran.output
    assert f"make {target} LOCAL_TRUST_IP=" in ran.output


def test_a_missing_become_password_is_said_before_anything_runs(tools: Tools, tmp_path: Path) -> None:
    as_nobody = (
        "import os; from provision.__main__ import main; os.setuid(65534); raise SystemExit(main(['add']))"
    )
    environ = {"LOCAL_TRUST_IP": ADDRESS, "PYTHONPATH": str(ROOT / "scripts"), "HOME": str(tmp_path)}
    ran = tools.run("python", "-c", as_nobody, environ=environ)
    assert ran.code == 1, ran.output
    assert "ANSIBLE_BECOME_PASS is missing" in ran.output
    assert "TASK" not in ran.output


def test_without_a_way_to_the_load_balancer_it_is_said_what_the_hubs_administrator_must_do(
    tools: Tools,
) -> None:
    ran = make(tools, "allow-local-trust", LOCAL_TRUST_IP=ADDRESS)
    assert ran.code == 0, ran.output
    assert f"TF_VAR_local_trust_public_ip={ADDRESS} make -C deploy/providers/AWS plan apply" in ran.output
    assert f"--protocol tcp --port 8002 --cidr {ADDRESS}/32" in ran.output


def test_the_load_balancer_is_opened_once_and_the_earlier_address_closed(
    tools: Tools, amazon: dict[str, str]
) -> None:
    group = tools.python(MAKE_GROUP, amazon)
    told = {**amazon, "FL_NLB_SECURITY_GROUP_ID": group, "KIT": "Trust_2"}
    others = [8002, "198.51.100.9/32"]
    for address in (ADDRESS, ADDRESS, "203.0.113.8"):
        ran = make(tools, "allow-local-trust", LOCAL_TRUST_IP=address, **told)
        assert ran.code == 0, ran.output
        assert tools.python(SHOW_GROUP, {**amazon, "GROUP": group}) == [others, [8002, f"{address}/32"]]
    assert "no longer lets 203.0.113.7/32 in" in ran.output


def test_without_kit_and_name_no_trusts_earlier_address_is_closed(
    tools: Tools, amazon: dict[str, str]
) -> None:
    group = tools.python(MAKE_GROUP, amazon)
    told = {**amazon, "FL_NLB_SECURITY_GROUP_ID": group}
    assert make(tools, "allow-local-trust", LOCAL_TRUST_IP=ADDRESS, KIT="Trust_2", **told).code == 0
    ran = make(tools, "allow-local-trust", LOCAL_TRUST_IP="203.0.113.8", PROD="true", **told)
    assert ran.code == 0, ran.output
    assert "nothing says which trust it is" in ran.output
    open_to = [network for _, network in tools.python(SHOW_GROUP, {**amazon, "GROUP": group})]
    assert open_to == ["198.51.100.9/32", f"{ADDRESS}/32", "203.0.113.8/32"]


def test_a_trusts_rule_is_known_by_its_name_at_the_hub(
    tools: Tools, amazon: dict[str, str], tmp_path: Path
) -> None:
    group = tools.python(MAKE_GROUP, amazon)
    told = {**amazon, "FL_NLB_SECURITY_GROUP_ID": group}
    for name, address in (("King's", ADDRESS), ("Trust_1", "203.0.113.9"), ("King's", "203.0.113.8")):
        path = tmp_path / name
        path.write_text(f'TRUST_NAME="{name}"\n')
        path.chmod(0o600)
        ran = make(tools, "allow-local-trust", LOCAL_TRUST_IP=address, KIT_FILE=str(path), **told)
        assert ran.code == 0, ran.output
    open_to = [network for _, network in tools.python(SHOW_GROUP, {**amazon, "GROUP": group})]
    assert open_to == ["203.0.113.8/32", "203.0.113.9/32"], "each name's earlier address alone is closed"


def test_a_missing_security_group_is_said(tools: Tools, amazon: dict[str, str]) -> None:
    ran = make(
        tools, "allow-local-trust", LOCAL_TRUST_IP=ADDRESS, FL_NLB_SECURITY_GROUP_ID="sg-none", **amazon
    )
    assert ran.code != 0
    assert "The load balancer's security group sg-none could not be changed" in ran.output


def test_a_trial_leaves_the_load_balancer_alone(tools: Tools, amazon: dict[str, str], tmp_path: Path) -> None:
    group = tools.python(MAKE_GROUP, amazon)
    told = {"FL_NLB_SECURITY_GROUP_ID": group, **amazon}
    args = f"--check --tags=dirs -e flip_user=nobody -e flip_group=nogroup -e flip_dir={tmp_path}"
    ran = make(tools, "add-local-trust", LOCAL_TRUST_IP=ADDRESS, ANSIBLE_ARGS=args, **told)
    assert ran.code == 0, ran.output
    assert "This was a trial" in ran.output
    assert tools.python(SHOW_GROUP, {**amazon, "GROUP": group}) == [[8002, "198.51.100.9/32"]]
    assert not (tmp_path / "data").exists()


def test_a_trust_is_added_from_end_to_end(
    tools: Tools, provisioned: Provisioned, amazon: dict[str, str], kit: Path
) -> None:
    group = tools.python(MAKE_GROUP, amazon)
    ran = make(
        tools,
        "add-local-trust",
        LOCAL_TRUST_IP=ADDRESS,
        LOCAL_TRUST_INVENTORY=str(provisioned.target.inventory),
        PROD="stag",
        KIT_FILE=str(kit),
        FL_NLB_SECURITY_GROUP_ID=group,
        **amazon,
    )
    assert ran.code == 0, ran.output
    assert TRUST_KEY not in ran.output
    assert AES_KEY not in ran.output
    assert AES_KEY in provisioned.target.path("/opt/flip-trust/.env.Trust_2.stag").read_text()
    assert f"{group} now lets {ADDRESS}/32 reach port 8002" in ran.output
    assert "make up-local-trust" in ran.output
