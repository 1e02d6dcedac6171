"""The data-flow sheet of docs/explanation/network-boundaries.md knows every service, network, flow and server."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

import yaml

from tests.unit.deploy.compose_files import ROOT, merged
from tests.unit.reference_pages import sections

PAGE = sections((ROOT / "docs/explanation/network-boundaries.md").read_text("utf-8"))
COMPOSE = merged(
    *("compose.yml", "compose.production.yml", "compose.relay.yml", "compose.gpu.yml", "compose.local.yml")
)
OUTWARDS = "Out of the building, while the trust runs"
INWARDS = "Within the host, while the trust runs"
PROVISIONING = "When a trust is provisioned, upgraded or provided with packages"
COLUMNS = "| from | to | port | what crosses | protection | authentication | written down |"


def flows(section: str) -> list[dict[str, str]]:
    """The rows of a section's first table, by the names of its columns."""
    head, _, *lines = [line for line in PAGE[section].splitlines() if line.startswith("|")]
    names = [cell.strip() for cell in head.split("|")[1:-1]]
    return [dict(zip(names, (cell.strip() for cell in line.split("|")[1:-1]), strict=True)) for line in lines]


def services_in(cell: str) -> set[str]:
    return set(re.findall(r"`([a-z-]+)`", cell)) & set(COMPOSE["services"])


def pairs() -> set[tuple[str, str]]:
    return {
        (source, target)
        for flow in flows(INWARDS)
        for source in services_in(flow["from"])
        for target in services_in(flow["to"])
    }


def test_every_flow_has_all_that_a_review_asks_for() -> None:
    for section in (OUTWARDS, INWARDS, PROVISIONING):
        assert COLUMNS in PAGE[section]
        assert all(all(flow.values()) for flow in flows(section)), section


def test_every_service_has_a_flow() -> None:
    told = {
        name
        for section in (OUTWARDS, INWARDS)
        for flow in flows(section)
        for name in services_in(flow["from"] + flow["to"])
    }
    assert told == set(COMPOSE["services"])


def test_every_network_is_told_with_whether_it_leads_out() -> None:
    text = PAGE["The networks"]
    for name, network in COMPOSE["networks"].items():
        said = (
            f"`{name}` is a Docker network without a way out"
            if network.get("internal")
            else f"`{name}` leads out"
        )
        assert said in text


def test_only_services_of_the_way_out_are_said_to_reach_out() -> None:
    def joined(service: dict[str, Any]) -> set[str]:
        return set(service.get("networks", ()))

    leading_out = {name for name, each in COMPOSE["services"].items() if {"egress", "house"} & joined(each)}
    assert {name for flow in flows(OUTWARDS) for name in services_in(flow["from"])} == leading_out


def test_whatever_a_service_waits_for_and_talks_to_is_a_flow() -> None:
    for name, service in COMPOSE["services"].items():
        for other in set(service.get("depends_on", ())) - {"bucket", "objects-owner"}:
            assert (name, other) in pairs(), f"{name} → {other}"


def test_ports_within_the_host_are_those_of_the_services() -> None:
    ports = {
        target: set(re.findall(r"\d{4}", flow["port"]))
        for flow in flows(INWARDS)
        for target in services_in(flow["to"])
        if "analyses" not in flow["from"]
    }
    environment = {name: each.get("environment", {}) for name, each in COMPOSE["services"].items()}
    assert ports["data-access-api"] == {environment["data-access-api"]["LISTEN__PORTS"]}
    (analyses,) = [flow for flow in flows(INWARDS) if flow["from"] == "analyses"]
    assert set(re.findall(r"\d{4}", analyses["port"])) == set(
        environment["trust-api"]["LISTEN__PORTS"].split(",")
    )
    assert ports["postgres"] == {environment["trust-api"]["POSTGRES__PORT"].rpartition(":-")[2].rstrip("}")}
    assert ports["minio"] == {re.findall(r":(\d+)\$", str(COMPOSE["services"]["minio"]["healthcheck"]))[0]}


def test_a_service_without_a_network_is_said_to_reach_nobody() -> None:
    alone = {name for name, each in COMPOSE["services"].items() if each.get("network_mode") == "none"}
    assert {
        name for flow in flows(INWARDS) if flow["to"] == "nobody" for name in services_in(flow["from"])
    } == alone


def test_every_registry_that_images_come_from_is_told() -> None:
    told = " ".join(flow["to"] for flow in flows(PROVISIONING))
    for service in COMPOSE["services"].values():
        name = service["image"].partition(":-")[2].rstrip("}")
        first = name.partition("/")[0]
        registry = first if "/" in name and "." in first else "docker.io"
        # Ours is built on the machine itself, or comes from where the operator says.
        assert name == "flame-node-agent:latest" or f"`{registry}`" in told, name


def test_every_server_that_provisioning_asks_by_name_is_told() -> None:
    text = " ".join(flow["to"] for flow in flows(PROVISIONING))
    asked = set()
    for path in [
        *(ROOT / "scripts/provision").glob("*.py"),
        *(ROOT / "ansible/roles").glob("*/defaults/main.yml"),
    ]:
        code = re.sub(r"^\s*#.*$", "", path.read_text("utf-8"), flags=re.MULTILINE)
        asked |= {
            urlsplit(url).hostname
            for url in re.findall(r"^\w+ ?[:=] \"?(https?://[^\s\"]+)", code, re.MULTILINE)
        }
    assert asked
    assert {host for host in asked if f"`{host}`" not in text} == set()


def test_every_folder_of_the_host_that_a_service_sees_is_told() -> None:
    (containers,) = re.findall(r"^4\. (.*?)^5\. ", PAGE["Boundaries"], re.DOTALL | re.MULTILINE)
    for name, service in COMPOSE["services"].items():
        for mount in service.get("volumes", ()):
            if isinstance(mount, dict) and mount["type"] == "bind":
                assert mount["read_only"], name
                assert name in containers, name


def test_events_that_write_a_flow_down_exist() -> None:
    known = set(
        re.findall(r"^\| `([a-z_.]+)` \|", (ROOT / "docs/reference/log-events.md").read_text(), re.MULTILINE)
    )
    named = {
        event
        for section in (OUTWARDS, INWARDS)
        for flow in flows(section)
        for event in re.findall(r"`([a-z_]+\.[a-z_]+)`", flow["written down"])
    }
    assert named
    assert named <= known


def test_nothing_comes_in_but_ssh() -> None:
    firewall = yaml.safe_load((ROOT / "ansible/roles/flip_firewall/defaults/main.yml").read_text())
    incoming = [flow for flow in flows("For the hospital's firewall") if flow["direction"] == "in"]
    assert [flow["port"] for flow in incoming] == [f"TCP {firewall['flip_firewall_ssh_port']}"]
