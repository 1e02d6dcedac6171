"""The make targets as an operator runs them: what they say is missing, what they run, and how they open the way."""

from __future__ import annotations

import http.server
import json
import os
import threading
from collections.abc import Iterator
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
MAKE_SECRET = """
import boto3, json, os
boto3.client("secretsmanager").create_secret(Name="FLIP_API", SecretString=os.environ["SECRET"])
print("null")
"""
SHOW_SECRET = """
import boto3
print(boto3.client("secretsmanager").get_secret_value(SecretId="FLIP_API")["SecretString"])
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
    told = {**amazon, "FL_NLB_SECURITY_GROUP_ID": group}
    others = [8002, "198.51.100.9/32"]
    for address in (ADDRESS, ADDRESS, "203.0.113.8"):
        ran = make(tools, "allow-local-trust", LOCAL_TRUST_IP=address, **told)
        assert ran.code == 0, ran.output
        assert tools.python(SHOW_GROUP, {**amazon, "GROUP": group}) == [others, [8002, f"{address}/32"]]
    assert "no longer lets 203.0.113.7/32 in" in ran.output


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
    assert AES_KEY in provisioned.target.path("/opt/flip/trust/.env.Trust_2.stag").read_text()
    assert f"{group} now lets {ADDRESS}/32 reach port 8002" in ran.output
    assert "make up-local-trust" in ran.output


@pytest.fixture
def hub(tmp_path: Path) -> Path:
    """A hub's checkout that notes what is made in it; deploying it a second time fails while ``broken`` is there."""
    folder = tmp_path / "hub/deploy/providers/AWS"
    folder.mkdir(parents=True)
    (folder / "Makefile").write_text(
        "full-deploy:\n\t@echo full-deploy PROD=$(PROD) >>made\n"
        "deploy-centralhub:\n\t@test ! -e broken\n\t@echo deploy-centralhub PROD=$(PROD) >>made\n"
    )
    return tmp_path / "hub"


@pytest.fixture
def address_service() -> Iterator[str]:
    """Answers with a public address, as api.ipify.org does."""

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(ADDRESS.encode())

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize(
    ("told", "said"),
    [({}, "PROD is missing"), ({"PROD": "stag"}, "HUB_DIR is missing"), ({"PROD": "prod"}, "PROD is 'prod'")],
)
def test_what_a_hybrid_deployment_lacks_is_said(tools: Tools, told: dict[str, str], said: str) -> None:
    ran = tools.run(
        "python", "-m", "provision", "hybrid", environ={"PYTHONPATH": str(ROOT / "scripts"), **told}
    )
    assert ran.code == 1
    assert said in ran.output


def test_a_hybrid_deployment_goes_on_where_it_stopped_and_spares_other_trusts(
    tools: Tools, provisioned: Provisioned, amazon: dict[str, str], kit: Path, hub: Path, address_service: str
) -> None:
    others = {"Trust_1": "0" * 64}
    secret = {
        "trust_api_key_hashes": json.dumps(others),
        "aes_key_base64": AES_KEY,
        "database_password": "as it was",
    }
    tools.python(MAKE_SECRET, {**amazon, "SECRET": json.dumps(secret)})
    name = f"hybrid-test-{os.getpid()}"
    told = {
        "PROD": "stag",
        "KIT": name,
        "KIT_FILE": str(kit),
        "HUB_DIR": str(hub),
        "PUBLIC_IP_URL": address_service,
        "LOCAL_TRUST_INVENTORY": str(provisioned.target.inventory),
        "ANSIBLE_ARGS": "--tags=dirs",
        "PYTHONPATH": str(ROOT / "scripts"),
        **amazon,
    }
    made = hub / "deploy/providers/AWS/made"
    (made.parent / "broken").touch()
    progress = ROOT / f".deploy/hybrid-{name}-stag.json"
    try:
        stopped = tools.run("python", "-m", "provision", "hybrid", environ=told)
        assert stopped.code == 1, stopped.output
        assert f"this machine's public address is {ADDRESS}" in stopped.output
        assert made.read_text() == "full-deploy PROD=stag\n"
        (made.parent / "broken").unlink()
        ran = tools.run("python", "-m", "provision", "hybrid", environ=told)
        assert ran.code == 0, ran.output
        assert not progress.exists()
    finally:
        progress.unlink(missing_ok=True)
    assert made.read_text() == "full-deploy PROD=stag\ndeploy-centralhub PROD=stag\n", "a step was done twice"
    assert "PLAY RECAP" in stopped.output
    assert "PLAY RECAP" not in ran.output
    assert TRUST_KEY not in stopped.output + ran.output
    merged = tools.python(SHOW_SECRET, amazon)
    hashes = json.loads(merged["trust_api_key_hashes"])
    assert hashes.keys() == {"Trust_1", "Trust_2"}
    assert hashes["Trust_1"] == others["Trust_1"]
    assert merged["database_password"] == "as it was"
    assert merged["aes_key_base64"] == AES_KEY
