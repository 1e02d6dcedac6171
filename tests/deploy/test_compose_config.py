"""Compose's own reading of the files for every PROD, overlay and profile. No engine is needed for that."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.engine import Engine
from tests.deploy.machine import ROOT, docker_config, install_what_is_missing, run
from tests.deploy.trust_host import TrustHost

ALWAYS = {"trust-api", "data-access-api", "postgres"}
PRODS = {"": "development", "stag": "stag", "true": "production"}
PROFILES = {
    "results": ({"MINIO__ENDPOINT": "minio:9000"}, {"minio", "bucket", "objects-owner"}),
    "omop": ({"OMOP_DB_SERVICE_NAME": "omop-db"}, {"omop-db"}),
    "keycloak": (
        {"OIDC__CERTS_URL": "http://keycloak:8080/realms/flame/protocol/openid-connect/certs"},
        {"keycloak"},
    ),
}
ELSEWHERE = {
    "MINIO__ENDPOINT": "s3.example:9000",
    "OMOP_DB_SERVICE_NAME": "omop.example",
    "OIDC__CERTS_URL": "https://issuer.example/certs",
}


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> TrustHost:
    """A checkout on a machine whose engine does not run."""
    install_what_is_missing()
    host = TrustHost(Engine(tmp_path_factory.mktemp("no-engine")), tmp_path_factory.mktemp("host"))
    host.unpack()
    return host


def _config(host: TrustHost, prod: str, kit: dict[str, str], *arguments: str) -> dict[str, Any]:
    host.make_kit(**kit)
    read: dict[str, Any] = yaml.safe_load(
        host.make("config-local-trust", f"PROD={prod}", f"KIT_FILE={host.kit_path.name}", *arguments)
    )
    return read


@pytest.mark.parametrize("prod", PRODS)
@pytest.mark.parametrize("chosen", [*product((False, True), repeat=3)], ids=str)
@pytest.mark.parametrize("gpus", ["0", "2"])
def test_compose_understands_the_files_and_publishes_nothing(
    host: TrustHost, prod: str, chosen: tuple[bool, ...], gpus: str
) -> None:
    kit, expected = {**ELSEWHERE, "NUM_AVAILABLE_GPUS": gpus}, set(ALWAYS)
    for wanted, (variables, services) in zip(chosen, PROFILES.values(), strict=True):
        if wanted:
            kit |= variables
            expected |= services
    services = _config(host, prod, kit)["services"]
    # The client for federated learning is in the files with GPUs, but no profile asks for it.
    assert services.keys() == expected
    assert not [name for name, each in services.items() if each.get("ports")]
    assert services["trust-api"]["environment"]["ENV"] == ("production" if prod else "development")
    assert services["trust-api"]["container_name"] == "trust-api"
    assert [name for name, each in services.items() if "egress" in (each.get("networks") or {})] == [
        "trust-api"
    ]


@pytest.mark.parametrize("gpus", ["0", "2"])
def test_for_development_the_agent_is_on_this_machine_alone(host: TrustHost, gpus: str) -> None:
    services = _config(host, "", {"NUM_AVAILABLE_GPUS": gpus}, "PUBLISH=1")["services"]
    ports = {name: each["ports"] for name, each in services.items() if each.get("ports")}
    assert [port["host_ip"] for port in ports.pop("trust-api")] == ["127.0.0.1"]
    assert ports == {}


@pytest.mark.parametrize("prod", PRODS)
def test_subnets_of_ones_own(host: TrustHost, prod: str) -> None:
    given = ("INTERNAL_SUBNET=10.9.1.0/24", "EGRESS_SUBNET=10.9.2.0/24")
    networks = _config(host, prod, {}, *given)["networks"]
    assert {name: each["ipam"]["config"][0]["subnet"] for name, each in networks.items()} == {
        "internal": "10.9.1.0/24",
        "egress": "10.9.2.0/24",
    }
    assert networks["internal"]["internal"] is True


@pytest.mark.parametrize("prod", PRODS)
def test_an_omop_server_elsewhere_brings_the_relay_and_its_network(host: TrustHost, prod: str) -> None:
    name = "omop.hospital.example"
    kit = {"OMOP_SERVER": f"{name}:15432", "OMOP_DB_SERVICE_NAME": name, "OMOP_DB_PORT": "5433"}
    read = _config(host, prod, {**ELSEWHERE, **kit}, "HOUSE_SUBNET=10.9.3.0/28")
    services = read["services"]
    assert services.keys() == {*ALWAYS, "omop-relay"}
    assert services["omop-relay"]["environment"]["OMOP_SERVER"] == f"{name}:15432"
    assert services["omop-relay"]["environment"]["RELAY__PORT"] == "5433"
    assert services["trust-api"]["environment"]["OMOP_DB_HOST"] == "omop-relay"
    assert services["data-access-api"]["environment"]["OMOP_DB_SERVICE_NAME"] == name
    assert services["data-access-api"]["links"] == [f"omop-relay:{name}"]
    assert services["data-access-api"]["networks"].keys() == {"internal"}
    assert services["omop-relay"]["networks"].keys() == {"internal", "house"}
    assert read["networks"]["house"]["ipam"]["config"][0]["subnet"] == "10.9.3.0/28"


def test_what_the_kit_says_holds_when_make_hands_on_nothing(host: TrustHost) -> None:
    kit = {"INTERNAL_SUBNET": "10.9.1.0/24", "EGRESS_SUBNET": "10.9.2.0/24", "NODE_MEMORY": "512m"}
    empty = [f"{name}=" for name in kit]
    for given in ([], empty):
        config = _config(host, "stag", kit, *given)
        assert config["networks"]["internal"]["ipam"]["config"] == [{"subnet": "10.9.1.0/24"}]
        assert config["services"]["trust-api"]["mem_limit"] == str(512 << 20)
    config = _config(host, "stag", kit, "NODE_MEMORY=1g", "INTERNAL_SUBNET=10.9.3.0/24")
    assert config["networks"]["internal"]["ipam"]["config"] == [{"subnet": "10.9.3.0/24"}]
    assert config["services"]["trust-api"]["mem_limit"] == str(1 << 30)


def test_a_comment_behind_a_value_is_none_of_it(host: TrustHost) -> None:
    host.make_kit(**ELSEWHERE)
    with host.kit_path.open("a") as kit:
        kit.write("MINIO__ENDPOINT=minio:9000 # the stack's own\nOMOP_DB_SERVICE_NAME='omop-db' # as well\n")
    read = yaml.safe_load(host.make("config-local-trust", "PROD=stag", f"KIT_FILE={host.kit_path.name}"))
    assert {"minio", "omop-db"} <= read["services"].keys()
    assert read["services"]["bucket"]["environment"]["MINIO__ENDPOINT"] == "minio:9000"


def test_one_subnet_alone_is_refused(host: TrustHost) -> None:
    host.make_kit()
    said = host.make("config-local-trust", "INTERNAL_SUBNET=10.9.1.0/24", check=False)
    assert "give both, INTERNAL_SUBNET and EGRESS_SUBNET" in said


def test_compose_understands_what_is_for_trying_it_out() -> None:
    install_what_is_missing()
    environment = {"PATH": "/usr/bin:/bin", "DOCKER_CONFIG": str(docker_config())}
    read = yaml.safe_load(run("docker", "compose", "config", cwd=ROOT, env=environment))
    published = {name: each["ports"] for name, each in read["services"].items() if each.get("ports")}
    assert [port["host_ip"] for port in published.pop("agent")] == ["127.0.0.1"]
    assert published == {}


def test_the_kit_is_not_in_the_way_of_a_look_at_the_files(host: TrustHost) -> None:
    host.make_kit(EXTRA="with # and spaces")
    assert "trust-api" in host.make("config-local-trust")


def test_every_compose_file_is_among_those_that_were_read() -> None:
    known = {
        "compose.yml",
        *(
            f"compose.{name}.yml"
            for name in ("development", "production", "local", "gpu", "subnets", "relay", "house")
        ),
    }
    assert {path.name for path in Path(ROOT / "trust").glob("compose*.yml")} == known
