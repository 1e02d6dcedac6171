"""Services of the trust that call a running data-access-api, with the keys of its own settings."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from uuid import UUID

import httpx
from dotenv import dotenv_values

from flame_node_agent.crypto.envelope import PROJECT_ID_CONTEXT, Keyring
from flame_node_agent.devstack.data_access_server import DataAccessServer

PATIENCE_SECONDS = 100.0


@dataclass(frozen=True)
class Caller:
    """trust-api: it holds the internal key and the AES key."""

    http: httpx.Client
    internal_key: str
    aes_key: str

    def sealed(self, project: UUID) -> str:
        """A project's id as the hub hands it over."""
        return Keyring(self.aes_key).encrypt(str(project), PROJECT_ID_CONTEXT)

    @property
    def headers(self) -> dict[str, str]:
        """Both keys."""
        return {
            "X-Trust-Internal-Service-Key": self.internal_key,
            "X-Cohort-Admin-Key": hashlib.sha256(self.aes_key.encode()).hexdigest(),
        }

    def body(self, project: UUID, query: str) -> dict[str, str]:
        """A request that fits every route."""
        ids = {"query_id": "q", "query_name": "n", "trust_id": "t"}
        return {"encrypted_project_id": self.sealed(project), "query": query, **ids}

    def post(self, path: str, project: UUID, query: str = "") -> httpx.Response:
        """Ask in the name of a project."""
        return self.http.post(path, json=self.body(project, query), headers=self.headers)


def caller_of(service: DataAccessServer, *, when_ready: bool = True) -> Caller:
    """A caller with the keys that a running service knows; it waits until both databases are there."""
    settings = dotenv_values(service.env_file)
    http = httpx.Client(base_url=service.url, trust_env=False, timeout=PATIENCE_SECONDS)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while when_ready and (answer := http.get("/readyz")).status_code != 200:
        assert time.monotonic() < deadline, answer.text
        time.sleep(0.05)
    return Caller(http, str(settings["TRUST_INTERNAL_SERVICE_KEY"]), str(settings["AES_KEY_BASE64"]))
