"""`make full-deploy-hybrid`: hub, keys, host, the hub's secret, hub again; wherever it was ended, it goes on."""

from __future__ import annotations

import hashlib
import http.server
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.deploy.ansible.conftest import Provisioned
from tests.deploy.ansible.test_make_targets import ADDRESS, AES_KEY
from tests.deploy.ansible.tools import Ran, Tools
from tests.deploy.machine import ROOT

MAKE_SECRET = """
import boto3, json, os
boto3.client("secretsmanager").create_secret(Name="FLIP_API", SecretString=os.environ["SECRET"])
print("null")
"""
SHOW_SECRET = """
import boto3
print(boto3.client("secretsmanager").get_secret_value(SecretId="FLIP_API")["SecretString"])
"""
ENDED = """
import os, sys
from provision import progress
from provision.__main__ import main
take = progress.Progress.take
def take_and_end(self, name, text, act):
    def act_and_end():
        act()
        if name == os.environ["ENDS_AFTER"]:
            os._exit(9)
    take(self, name, text, act_and_end)
progress.Progress.take = take_and_end
sys.exit(main(["hybrid"]))
"""
"""The command, ended at the worst moment: when a step is done and nobody has noted it yet."""
OTHERS = {"Trust_1": "0" * 64}
SECRET = {
    "trust_api_key_hashes": json.dumps(OTHERS),
    "aes_key_base64": AES_KEY,
    "database_password": "as it was",
}


@pytest.fixture
def hub(tmp_path: Path) -> Path:
    """A hub's checkout that notes what is made in it; a target of which ``broken`` has the name fails."""
    folder = tmp_path / "hub/deploy/providers/AWS"
    folder.mkdir(parents=True)
    (folder / "Makefile").write_text(
        "full-deploy deploy-centralhub:\n\t@! grep -qx $@ broken\n\t@echo $@ PROD=$(PROD) >>made\n"
    )
    (folder / "broken").touch()
    (tmp_path / "hub/.env.stag").write_text("CENTRAL_HUB_API_URL=https://hub.example/api\n")
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


@pytest.fixture
def deploy(
    tools: Tools,
    provisioned: Provisioned,
    amazon: dict[str, str],
    hub: Path,
    address_service: str,
    tmp_path: Path,
) -> Iterator[Callable[..., Ran]]:
    """Run it for a trust that has no kit yet, ended after a step when one is named."""
    told = {
        "PROD": "stag",
        "KIT": tmp_path.name,
        "KIT_FILE": str(tmp_path / "kit"),
        "TRUST_NAME": "Trust_2",
        "HUB_DIR": str(hub),
        "PUBLIC_IP_URL": address_service,
        "LOCAL_TRUST_INVENTORY": str(provisioned.target.inventory),
        "ANSIBLE_ARGS": "--tags=dirs",
        "PYTHONPATH": str(ROOT / "scripts"),
        **amazon,
    }
    yield lambda ends_after="": tools.run("python", "-c", ENDED, environ={**told, "ENDS_AFTER": ends_after})
    (ROOT / f".deploy/hybrid-{tmp_path.name}-stag.json").unlink(missing_ok=True)


def values(kit: Path) -> dict[str, str]:
    """What a kit holds."""
    lines = (line.partition("=") for line in kit.read_text().splitlines() if not line.startswith("#"))
    return {name: value for name, _, value in lines if name}


def test_it_goes_on_wherever_it_was_ended_and_spares_other_trusts(
    deploy: Callable[..., Ran], tools: Tools, amazon: dict[str, str], hub: Path, tmp_path: Path
) -> None:
    tools.python(MAKE_SECRET, {**amazon, "SECRET": json.dumps(SECRET)})
    said, keys = "", set()
    for step in ("hub", "keys", "trust", "secrets", "redeploy"):
        ran = deploy(step)
        assert ran.code == 9, ran.output
        said += ran.output
        if (tmp_path / "kit").exists():
            keys.add(values(tmp_path / "kit")["TRUST_API_KEY"])
    ran = deploy()
    assert ran.code == 0, ran.output
    said += ran.output
    assert f"this machine's public address is {ADDRESS}" in said
    made = (hub / "deploy/providers/AWS/made").read_text().splitlines()
    # Twice what was ended before it was noted, and not once more.
    assert made == ["full-deploy PROD=stag"] * 2 + ["deploy-centralhub PROD=stag"] * 2
    assert said.count("PLAY RECAP") == 2
    kit = values(tmp_path / "kit")
    assert keys == {kit["TRUST_API_KEY"]}, "the trust's key was made more than once"
    assert (tmp_path / "kit").stat().st_mode & 0o777 == 0o600
    assert kit["CENTRAL_HUB_API_URL"] == "https://hub.example/api"
    assert "MINIO__ENDPOINT" not in kit, "a trust of FLIP's hub alone takes no results to another"
    assert not [name for name, value in kit.items() if value.startswith("<")], "it could not be started"
    assert kit["AES_KEY_BASE64"] == AES_KEY, "the hub's other trusts depend on its key"
    merged = tools.python(SHOW_SECRET, amazon)
    own = hashlib.sha256(kit["TRUST_API_KEY"].encode()).hexdigest()
    assert json.loads(merged.pop("trust_api_key_hashes")) == {**OTHERS, "Trust_2": own}
    assert merged == {name: value for name, value in SECRET.items() if name != "trust_api_key_hashes"}
    for secret in (kit["TRUST_API_KEY"], AES_KEY, kit["POSTGRES__PASSWORD"]):
        assert secret not in said


def test_a_hub_that_cannot_be_deployed_again_is_deployed_again_by_the_next_run(
    deploy: Callable[..., Ran], tools: Tools, amazon: dict[str, str], hub: Path
) -> None:
    tools.python(MAKE_SECRET, {**amazon, "SECRET": json.dumps(SECRET)})
    broken = hub / "deploy/providers/AWS/broken"
    broken.write_text("deploy-centralhub\n")
    stopped = deploy()
    assert stopped.code == 1
    assert "make deploy-centralhub failed" in stopped.output
    broken.write_text("")
    ran = deploy()
    assert ran.code == 0, ran.output
    assert "PLAY RECAP" not in ran.output, "the trust was provisioned twice"


def test_without_the_hubs_secret_no_keys_are_made_that_could_not_be_the_hubs(
    deploy: Callable[..., Ran], tools: Tools, amazon: dict[str, str], tmp_path: Path
) -> None:
    stopped = deploy()
    assert stopped.code == 1
    assert "The hub's secret FLIP_API cannot be read" in stopped.output
    assert not (tmp_path / "kit").exists()
    tools.python(MAKE_SECRET, {**amazon, "SECRET": json.dumps(SECRET)})
    assert deploy().code == 0
    assert values(tmp_path / "kit")["AES_KEY_BASE64"] == AES_KEY


def test_a_hub_without_any_trust_gets_the_trusts_keys(
    deploy: Callable[..., Ran], tools: Tools, amazon: dict[str, str], tmp_path: Path
) -> None:
    tools.python(MAKE_SECRET, {**amazon, "SECRET": "{}"})
    ran = deploy()
    assert ran.code == 0, ran.output
    kit = values(tmp_path / "kit")
    merged = tools.python(SHOW_SECRET, amazon)
    assert merged["aes_key_base64"] == kit["AES_KEY_BASE64"]
    assert json.loads(merged["trust_api_key_hashes"]).keys() == {"Trust_2"}
