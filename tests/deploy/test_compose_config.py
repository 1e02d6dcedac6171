"""Compose's own reading of the files for every PROD, and shellcheck's of the scripts."""

from __future__ import annotations

import shutil

import pytest
import yaml

from tests.deploy.machine import ROOT, install_what_is_missing, run
from tests.deploy.trust_host import TrustHost


@pytest.mark.parametrize(
    ("prod", "environment"), [("", "development"), ("stag", "stag"), ("true", "production")]
)
@pytest.mark.parametrize("gpus", ["0", "2"])
def test_compose_understands_the_files_and_publishes_nothing(
    trust: TrustHost, prod: str, environment: str, gpus: str
) -> None:
    kit = trust.folder / "trust" / f".env.Trust_G{gpus}.{environment}"
    shutil.copy(trust.kit_path, kit)
    kit.write_text(kit.read_text().replace("NUM_AVAILABLE_GPUS=0", f"NUM_AVAILABLE_GPUS={gpus}"))
    said = trust.make("config-local-trust", f"PROD={prod}", f"KIT=Trust_G{gpus}")
    services = yaml.safe_load(said)["services"]
    assert not [name for name, each in services.items() if each.get("ports")]
    assert services["trust-api"]["environment"]["ENV"] == ("production" if prod else "development")
    assert services["trust-api"]["container_name"] == "trust-api"
    # It is in the file then, but no profile asks for it.
    assert "fl-client" not in services


def test_for_development_the_agent_is_on_this_machine_alone(trust: TrustHost) -> None:
    shutil.copy(trust.kit_path, trust.folder / "trust" / ".env.Trust_D.development")
    said = trust.make("config-local-trust", "PROD=", "KIT=Trust_D", "PUBLISH=1")
    ports = {
        name: each["ports"] for name, each in yaml.safe_load(said)["services"].items() if each.get("ports")
    }
    assert [port["host_ip"] for port in ports.pop("trust-api")] == ["127.0.0.1"]
    assert ports == {}


def test_shellcheck_has_nothing_to_say() -> None:
    install_what_is_missing()
    folders = ("trust/scripts", "trust/omop", "docker/keycloak", "tests/deploy/stand_ins/postgres")
    scripts = sorted(script for folder in folders for script in (ROOT / folder).glob("*.sh"))
    assert len(scripts) >= 8
    run("shellcheck", "--external-sources", *scripts, cwd=ROOT)
