"""The compose files for every PROD and overlay: hardening, ports, networks.

Ids are those of the CIS Docker Benchmark 1.6.0; docs/reference/hardening.md lists them.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.unit.deploy.compose_files import ROOT, TRUST, load, merged

STACKS = {
    "PROD unset": ("compose.yml", "compose.development.yml", "compose.local.yml"),
    "PROD=stag, PROD=true": ("compose.yml", "compose.production.yml", "compose.local.yml"),
    "with GPUs": ("compose.yml", "compose.production.yml", "compose.gpu.yml", "compose.local.yml"),
    "for development": ("compose.yml", "compose.development.yml"),
    "with OMOP elsewhere": (
        *(
            "compose.yml",
            "compose.production.yml",
            "compose.relay.yml",
            "compose.house.yml",
            "compose.local.yml",
        ),
    ),
}
JOBS = {"bucket", "objects-owner"}
"""What ends by itself."""

EACH = [
    pytest.param(merged(*files)["services"][service], service, id=f"{stack}: {service}")
    for stack, files in STACKS.items()
    for service in merged(*files)["services"]
]
TO_TRY_IT = load(ROOT / "compose.yml")
"""What `docker compose up` at the root starts, beside a development hub."""
each_service = pytest.mark.parametrize(("service", "name"), EACH)


@each_service
def test_cis_4_1_no_service_runs_as_root(service: dict[str, Any], name: str) -> None:
    # The one job that hands a new volume over has to be root, with no network and one capability.
    assert service["user"] != "0:0" or (name == "objects-owner" and service["network_mode"] == "none")


@each_service
def test_cis_5_4_capabilities_are_dropped(service: dict[str, Any], name: str) -> None:
    assert service["cap_drop"] == ["ALL"]
    assert service.get("cap_add", []) == (["CHOWN"] if name == "objects-owner" else [])


@each_service
def test_cis_5_5_nothing_is_privileged(service: dict[str, Any], name: str) -> None:
    assert not service.get("privileged")


@each_service
def test_cis_5_6_and_5_32_no_folder_of_the_system_and_no_docker_socket(
    service: dict[str, Any], name: str
) -> None:
    sources = [
        each["source"] if isinstance(each, dict) else each.split(":")[0]
        for each in service.get("volumes", [])
    ]
    assert not [source for source in sources if source.startswith("/")]


@each_service
def test_cis_5_8_and_5_9_and_5_14_ports_are_published_for_development_alone_and_on_the_machine_itself(
    service: dict[str, Any], name: str, request: pytest.FixtureRequest
) -> None:
    ports = service.get("ports", [])
    if "for development" in request.node.callspec.id and name == "trust-api":
        assert all(port.startswith("127.0.0.1:") for port in ports)
    else:
        assert ports == []


@each_service
def test_cis_5_10_and_5_16_and_5_17_and_5_21_and_5_30_and_5_31_no_namespace_of_the_host(
    service: dict[str, Any], name: str
) -> None:
    assert service.get("network_mode", "none") == "none"
    assert not {"pid", "ipc", "uts", "userns_mode"} & service.keys()


@each_service
def test_cis_5_11_and_5_29_memory_and_processes_are_limited(service: dict[str, Any], name: str) -> None:
    assert service["mem_limit"]
    assert 0 < service["pids_limit"] <= 1024


@each_service
def test_cis_5_13_the_root_file_system_is_read_only(service: dict[str, Any], name: str) -> None:
    # Keycloak puts itself together in its own folder when it starts.
    assert service["read_only"] is (name != "keycloak")


@each_service
def test_cis_5_15_services_come_back_and_jobs_do_not_loop(service: dict[str, Any], name: str) -> None:
    assert service["restart"] in ({"no", "on-failure:5"} if name in JOBS else {"always", "unless-stopped"})


@each_service
def test_cis_5_26_no_new_privileges(service: dict[str, Any], name: str) -> None:
    assert service["security_opt"] == ["no-new-privileges:true"]


@each_service
def test_cis_5_2_and_5_3_and_5_22_the_engines_own_profiles_stay_in_force(
    service: dict[str, Any], name: str
) -> None:
    assert not [option for option in service["security_opt"] if "unconfined" in option or "disable" in option]


@each_service
def test_cis_5_18_no_device_of_the_host(service: dict[str, Any], name: str) -> None:
    # The one place for GPUs is the client for federated learning, which nothing starts yet.
    assert "devices" not in service
    assert "deploy" not in service or name == "fl-client"


@each_service
def test_cis_5_20_mounts_are_not_shared_back(service: dict[str, Any], name: str) -> None:
    binds = [each for each in service.get("volumes", []) if isinstance(each, dict)]
    assert all(each["read_only"] is True and "bind" not in each for each in binds)


@each_service
def test_cis_5_25_no_control_group_is_chosen(service: dict[str, Any], name: str) -> None:
    assert not {"cgroup", "cgroup_parent"} & service.keys()


@each_service
def test_cis_5_27_health_is_checked(service: dict[str, Any], name: str) -> None:
    if name in JOBS:
        assert service["healthcheck"] == {"disable": True}
    elif name != "fl-client":  # not part of this release
        assert service["healthcheck"]["test"][0].startswith("CMD")


@each_service
def test_cis_5_28_images_are_pinned(service: dict[str, Any], name: str) -> None:
    default = service["image"].partition(":-")[2].removesuffix("}")
    assert ":" in default
    # Ours is built on the machine itself.
    assert not default.endswith(":latest") or default == "flame-node-agent:latest"


@each_service
def test_logs_are_rotated(service: dict[str, Any], name: str) -> None:
    assert {"max-size", "max-file"} <= service["logging"]["options"].keys()


@each_service
def test_what_holds_patient_data_is_kept_off_the_swap(service: dict[str, Any], name: str) -> None:
    if name not in {"keycloak", "objects-owner"}:
        assert service["memswap_limit"] == service["mem_limit"]


@pytest.mark.parametrize("files", STACKS.values(), ids=STACKS)
def test_only_trust_api_and_fl_client_have_a_way_out(files: tuple[str, ...]) -> None:
    """And omop-relay, which starts for trusts with an OMOP server elsewhere, into a network of its own."""
    stack = merged(*files)
    joined = {
        network: {name for name, each in stack["services"].items() if network in each.get("networks", [])}
        for network in stack["networks"]
    }
    assert joined.keys() == {"internal", "egress", "house"}
    assert stack["networks"]["internal"]["internal"] is True
    assert joined["egress"] <= {"trust-api", "fl-client"}
    assert joined["house"] == {"omop-relay"}
    assert stack["services"]["omop-relay"]["profiles"] == ["omop-relay"]


def test_data_access_has_no_way_out_with_omop_elsewhere_either() -> None:
    stack = merged(*STACKS["with OMOP elsewhere"])
    assert stack["services"]["data-access-api"]["networks"] == ["internal"]


def test_the_relay_is_given_no_secret_and_leads_to_one_server() -> None:
    relay = merged(*STACKS["with OMOP elsewhere"])["services"]["omop-relay"]
    assert relay["environment"] == {
        "LISTEN__HOST": "0.0.0.0",
        "LISTEN__PORTS": "8000",
        "LOG__FORMAT": "json",
        "LOG__LEVEL": "${TRUST_LOG_LEVEL:-}",
        "OMOP_SERVER": "${OMOP_SERVER:-}",
        "RELAY__PORT": "${OMOP_DB_PORT:-5432}",
        "RELAY__MAX_CONNECTIONS": "${RELAY__MAX_CONNECTIONS:-}",
    }
    assert "env_file" not in relay
    assert "volumes" not in relay


def test_the_servers_name_means_the_relay_to_data_access_alone() -> None:
    """An alias in the network would mean it to the relay as well, which would then look for itself."""
    services = merged(*STACKS["with OMOP elsewhere"])["services"]
    assert services["data-access-api"]["links"] == ["omop-relay:${OMOP_DB_SERVICE_NAME:-omop-relay}"]
    assert not [name for name, each in services.items() if name != "data-access-api" and "links" in each]
    assert services["omop-relay"]["networks"] == ["internal", "house"]
    assert services["trust-api"]["environment"]["OMOP_DB_HOST"] == "omop-relay"


@pytest.mark.parametrize("script", sorted((TRUST / "scripts").glob("*.sh")), ids=lambda path: path.name)
def test_cis_5_23_and_5_24_commands_in_containers_get_no_more_rights(script: Path) -> None:
    for words in re.findall(r"\bexec\b[^\n]*", script.read_text()):
        assert not re.search(r"--privileged|--user[ =]*(root|0)|-u ?(root|0)\b", words)


def test_the_names_that_clients_know() -> None:
    trust_api = merged("compose.yml")["services"]["trust-api"]
    assert trust_api["container_name"] == "${TRUST_API_CONTAINER:-trust-api}"
    assert trust_api["networks"]["internal"]["aliases"] == ["node-result-service"]


def test_start_waits_for_what_is_needed() -> None:
    services = merged("compose.yml")["services"]
    needs = {name: set(each.get("depends_on", {})) for name, each in services.items()}
    assert needs["trust-api"] == {"postgres", "data-access-api", "bucket"}
    assert needs["data-access-api"] == {"postgres", "omop-db"}
    assert needs["bucket"] == {"minio"}


def test_services_of_the_node_differ_by_their_command_only() -> None:
    services = merged("compose.yml")["services"]
    assert (
        len({services[name]["image"] for name in ("trust-api", "data-access-api", "omop-relay", "bucket")})
        == 1
    )


def test_only_what_exists_starts() -> None:
    gpu = load(TRUST / "compose.gpu.yml")["services"]
    assert gpu["fl-client"]["profiles"] == ["fl-client"]
    assert "imaging-api" not in merged("compose.yml")["services"]


def test_data_access_is_given_nothing_of_the_hubs() -> None:
    given = merged("compose.yml")["services"]["data-access-api"]["environment"].keys()
    assert not [
        name for name in given if name.startswith(("TRUST_API", "HUB__", "CRYPTO__", "MINIO__", "OIDC__"))
    ]
    assert "env_file" not in merged("compose.yml")["services"]["data-access-api"]


def test_what_compose_up_at_the_root_starts_is_for_this_machine_alone() -> None:
    published = [port for each in TO_TRY_IT["services"].values() for port in each.get("ports", [])]
    assert published == ["127.0.0.1:${API_PORT:-8080}:8080"]


def test_compose_up_at_the_root_builds_one_image_once_and_never_pulls_it() -> None:
    services = TO_TRY_IT["services"]
    assert [name for name, each in services.items() if "build" in each] == ["prepare"]
    image = services["prepare"]["image"]
    assert {each["pull_policy"] for each in services.values() if each["image"] == image} == {"never"}


@pytest.mark.parametrize("name", TO_TRY_IT["services"])
def test_what_compose_up_at_the_root_starts_is_hardened_as_a_trust(name: str) -> None:
    service = TO_TRY_IT["services"][name]
    assert service["cap_drop"] == ["ALL"]
    assert service["read_only"] is True
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["pids_limit"]
    assert service["mem_limit"]
    assert {"max-size", "max-file"} <= service["logging"]["options"].keys()
    if name == "prepare":
        assert service["network_mode"] == "none"
    else:
        assert service["user"] != "0:0"
        assert "cap_add" not in service
        assert set(service["networks"]) <= {"internal", "outside"}


def test_data_that_compose_up_at_the_root_keeps_have_no_way_out() -> None:
    assert TO_TRY_IT["networks"]["internal"]["internal"] is True
    inside = {name for name, each in TO_TRY_IT["services"].items() if "internal" in each.get("networks", [])}
    assert inside == {"agent", "minio", "postgres", "bucket"}
    assert [name for name in inside if "outside" in TO_TRY_IT["services"][name]["networks"]] == ["agent"]
