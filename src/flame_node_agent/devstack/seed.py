"""What the development hub knows from its first start on: who may log in, nodes, projects and analyses."""

from __future__ import annotations

import base64
import secrets
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flame_node_agent.devstack.hub_server import Profile
from flame_node_agent.devstack.nodes import NodeRegister
from flame_node_agent.devstack.private_files import read_json, write_json

SEED_FILE = "hub-seed.json"
USERNAME = "admin"


@dataclass(frozen=True)
class SeededAnalysis:
    """One analysis the hub holds buckets for."""

    id: uuid.UUID
    project_id: uuid.UUID


@dataclass(frozen=True)
class SeededTrust:
    """What the trust of this node and FLIP's side of the hub know of one another."""

    id: uuid.UUID
    name: str
    api_key: str
    aes_key_base64: str
    internal_service_key: str

    def task_variables(self, api_url: str, data_access_url: str) -> dict[str, str]:
        """The settings of the agent's task side."""
        return {
            "CENTRAL_HUB_API_URL": api_url,
            "TRUST_API_KEY": self.api_key,
            "TRUST_NAME": self.name,
            "EXPECTED_TRUST_ID": str(self.id),
            "DATA_ACCESS_API_URL": data_access_url,
            **self.service_variables(),
        }

    def service_variables(self) -> dict[str, str]:
        """The settings that all services of the trust share."""
        return {
            "AES_KEY_BASE64": self.aes_key_base64,
            "TRUST_INTERNAL_SERVICE_KEY": self.internal_service_key,
        }


@dataclass(frozen=True)
class HubSeed:
    """The part of the seed that others need: credentials of this node and of a user, and the analyses."""

    robot_id: str
    robot_secret: str
    client_id: str
    client_secret: str
    username: str
    password: str
    keyless_node_id: uuid.UUID
    analyses: tuple[SeededAnalysis, ...]
    trust: SeededTrust

    @classmethod
    def load(cls, hub_directory: Path, nodes: NodeRegister) -> HubSeed:
        """The seed in the hub's state directory, written on first use: three analyses in two projects."""
        path = hub_directory / SEED_FILE
        stored = read_json(path)
        if not stored:
            stored = _draw(nodes)
            write_json(path, stored)
        return cls(
            robot_id=stored["robot"]["id"],
            robot_secret=stored["robot"]["secret"],
            client_id=stored["client"]["id"],
            client_secret=stored["client"]["secret"],
            username=stored["user"]["username"],
            password=stored["user"]["password"],
            keyless_node_id=next(
                uuid.UUID(node["id"]) for node in stored["nodes"] if node["public_key_pem"] is None
            ),
            analyses=tuple(
                SeededAnalysis(uuid.UUID(analysis["id"]), uuid.UUID(analysis["project_id"]))
                for analysis in stored["analyses"]
            ),
            trust=SeededTrust(
                uuid.UUID(stored["trust"]["id"]),
                stored["trust"]["name"],
                stored["trust"]["api_key"],
                stored["aes_key_base64"],
                stored["internal_service_key"],
            ),
        )

    def auth_variables(self, flow: str) -> dict[str, str]:
        """The agent's settings to log in by ``flow``: password, robot or client."""
        match flow:
            case "password":
                login = {"HUB__AUTH__USERNAME": self.username, "HUB__AUTH__PASSWORD": self.password}
            case "robot":
                login = {"HUB__AUTH__ID": self.robot_id, "HUB__AUTH__SECRET": self.robot_secret}
            case "client":
                login = {"HUB__AUTH__ID": self.client_id, "HUB__AUTH__SECRET": self.client_secret}
            case _:
                raise ValueError(f"no such flow: {flow}")
        return {"HUB__AUTH__FLOW": flow} | login


def default_flow(profile: Profile) -> str:
    """How a node logs in at a hub of this release: robots became clients with 0.8.22."""
    return "robot" if profile == "0.8.21" else "client"


def _draw(nodes: NodeRegister) -> dict[str, Any]:
    robot = {"id": str(uuid.uuid4()), "secret": secrets.token_hex(32)}
    client = {"id": str(uuid.uuid4()), "secret": secrets.token_hex(32)}
    projects = [{"id": str(uuid.uuid4()), "name": name} for name in ("sepsis-cohort", "imaging-pilot")]
    analyses = [
        {"id": str(uuid.uuid4()), "name": name, "project_id": projects[project]["id"]}
        for name, project in (("train-model", 0), ("evaluate-model", 0), ("segment-lesions", 1))
    ]
    return {
        "robot": robot,
        "client": client,
        "user": {"username": USERNAME, "password": secrets.token_hex(16)},
        "nodes": [
            _node(nodes.own.id, nodes.own.name, nodes.own.public_key_pem, client["id"], robot["id"]),
            *(_node(node.id, node.name, node.public_key_pem) for node in nodes.others),
            _node(uuid.uuid4(), "node-without-a-key", None),
        ],
        "projects": projects,
        "analyses": analyses,
        "trust": {
            "id": str(uuid.uuid4()),
            "name": "Northgate Hospital",
            "code": "NGH",
            "region": "north",
            "api_key": secrets.token_urlsafe(32),
        },
        "aes_key_base64": base64.b64encode(secrets.token_bytes(32)).decode("ascii"),
        # The hub does not read this one: it is between the services of the trust.
        "internal_service_key": secrets.token_urlsafe(32),
    }


def _node(
    node_id: uuid.UUID,
    name: str,
    public_key_pem: str | None,
    client_id: str | None = None,
    robot_id: str | None = None,
) -> dict[str, str | None]:
    return {
        "id": str(node_id),
        "name": name,
        "public_key_pem": public_key_pem,
        "client_id": client_id,
        "robot_id": robot_id,
    }
