"""A user of the hub: makes what the live tests need there, and looks at what has arrived.

Speaks all generations of the hub's API: snake_case and camelCase, records with and without an envelope.
"""

from __future__ import annotations

import os
import ssl
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from flame_node_agent.hub.tls import tls_context
from tests.acceptance.hub_accounts import USER_PASSWORD, USERNAME, HubAccounts

PATIENCE_SECONDS = 30.0
BUCKETS = {"CODE", "RESULT", "TEMP"}
_IMAGE = os.environ.get("PYTEST__PREFERRED_BASE_MASTER_IMAGE", "python/base")
_PAGE = {"page[limit]": "50", "page[offset]": "0"}

type Record = dict[str, Any]


class HubUser:
    """Signed in by password; every call is made with what the hub's release calls things."""

    def __init__(self, accounts: HubAccounts) -> None:
        self._accounts = accounts
        self._http = httpx.Client(
            verify=_trust(accounts), proxy=_proxy(accounts), trust_env=False, timeout=PATIENCE_SECONDS
        )
        self._token_until = 0.0
        self._camel = "schema" in self._call("GET", "nodes", params=_PAGE).json()["meta"]
        self._image = self._find_image()

    def close(self) -> None:
        self._http.close()

    def new_project(self) -> uuid.UUID:
        made = self._create("projects", name=f"acceptance-{uuid.uuid4()}", master_image_id=self._image)
        return uuid.UUID(made["id"])

    def new_analysis(self, project_id: uuid.UUID) -> uuid.UUID:
        """An analysis whose three buckets are there: hubs make them a moment later."""
        made = self._create("analyses", name=f"acceptance-{uuid.uuid4()}", project_id=str(project_id))
        analysis_id = uuid.UUID(made["id"])
        _eventually(lambda: {bucket["type"] for bucket in self.buckets(analysis_id)} >= BUCKETS)
        return analysis_id

    def new_node(self, public_key_pem: str | None = None) -> uuid.UUID:
        """A node; like a node's operator, the key is handed in after the node was made."""
        made = self._create("nodes", name=f"acceptance-{uuid.uuid4()}", type="default")
        if public_key_pem is not None:
            self._call(
                "POST", f"nodes/{made['id']}", json={self._spelled("public_key"): public_key_pem}
            ).raise_for_status()
        return uuid.UUID(made["id"])

    def delete(self, kind: str, record_id: uuid.UUID) -> None:
        """Delete a record of ``kind`` (projects, analyses, nodes); one that is gone is no trouble."""
        answer = self._call("DELETE", f"{kind}/{record_id}")
        if answer.status_code != 404:
            answer.raise_for_status()

    def buckets(self, analysis_id: uuid.UUID) -> list[Record]:
        """The analysis' buckets, with snake_case keys."""
        return self._list("analysis-buckets", analysis_id=str(analysis_id))

    def storage_bucket(self, analysis_id: uuid.UUID, kind: str) -> str:
        """The id, at the storage service, of one of the analysis' buckets."""
        (bucket,) = [found for found in self.buckets(analysis_id) if found["type"] == kind]
        return str(bucket.get("bucket_id") or bucket["external_id"])

    def newest_result(self, analysis_id: uuid.UUID) -> Record:
        """The newest file that is linked to the analysis' RESULT bucket, once there is one.

        Hubs that link by themselves do so a moment after the upload.
        """
        return _eventually(lambda: self.linked_results(analysis_id))[0]

    def linked_results(self, analysis_id: uuid.UUID) -> list[Record]:
        """The files that are linked to the analysis' RESULT bucket, newest first."""
        result_buckets = {found["id"] for found in self.buckets(analysis_id) if found["type"] == "RESULT"}
        return [
            found
            for found in self._list("analysis-bucket-files", newest=True, analysis_id=str(analysis_id))
            if found.get("analysis_bucket_id", found["bucket_id"]) in result_buckets
        ]

    def content_of(self, link: Record) -> bytes:
        """The bytes of a linked file, from the storage service."""
        return self.file_content(link.get("bucket_file_id") or link["external_id"])

    def file_content(self, file_id: object) -> bytes:
        """The bytes of a file of the storage service."""
        answer = self._request("GET", f"{self._accounts.url('storage')}/bucket-files/{file_id}/stream")
        assert answer.status_code == 200, answer.text
        return answer.content

    def upload(self, storage_bucket: str, content: bytes) -> uuid.UUID:
        """Put a file into a bucket as another node would; gives its id."""
        answer = self._request(
            "POST",
            f"{self._accounts.url('storage')}/buckets/{storage_bucket}/upload",
            files={str(uuid.uuid4()): (str(uuid.uuid4()), content)},
        )
        assert answer.status_code == 201, answer.text
        return uuid.UUID(answer.json()["data"][0]["id"])

    def _find_image(self) -> str | None:
        found = self._list("master-images", path=_IMAGE)
        return next((str(image["id"]) for image in found if _IMAGE in image.values()), None)

    def _create(self, kind: str, **fields: object) -> Record:
        body = {self._spelled(name): value for name, value in fields.items() if value is not None}
        answer = self._call("POST", kind, json=body)
        assert answer.status_code == 201, answer.text
        record = answer.json()
        return _snake(record["data"] if {"data", "meta"} <= record.keys() else record)

    def _list(self, kind: str, *, newest: bool = False, **equal: str) -> list[Record]:
        """The records whose fields are equal: also checked here, as hubs may ignore a filter."""
        query = _PAGE | {f"filter[{self._spelled(name)}]": value for name, value in equal.items()}
        if newest:
            query["sort"] = f"-{self._spelled('created_at')}"
        found = [_snake(record) for record in self._call("GET", kind, params=query).json()["data"]]
        return [
            record
            for record in found
            if all(record.get(name) == value for name, value in equal.items() if name in record)
        ]

    def _call(self, method: str, path: str, **request: Any) -> httpx.Response:
        return self._request(method, f"{self._accounts.url('core')}/{path}", **request)

    def _request(self, method: str, url: str, **request: Any) -> httpx.Response:
        if time.monotonic() > self._token_until:
            self._sign_in()
        return self._http.request(method, url, **request)

    def _sign_in(self) -> None:
        answer = self._http.post(
            f"{self._accounts.url('auth')}/token",
            json={
                "grant_type": "password",
                "username": self._accounts.variables[USERNAME],
                "password": self._accounts.variables[USER_PASSWORD],
            },
        )
        assert answer.status_code == 200, answer.text
        token = answer.json()
        self._token_until = time.monotonic() + 0.8 * token["expires_in"]
        self._http.headers["Authorization"] = f"Bearer {token['access_token']}"

    def _spelled(self, name: str) -> str:
        head, *rest = name.split("_")
        return head + "".join(word.capitalize() for word in rest) if self._camel else name


def _snake(record: Record) -> Record:
    return {
        "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name): value
        for name, value in record.items()
    }


def _trust(accounts: HubAccounts) -> ssl.SSLContext:
    extra = accounts.variables.get("EXTRA_CA_CERTS")
    return tls_context(Path(extra) if extra else None)


def _proxy(accounts: HubAccounts) -> str | None:
    return accounts.variables.get("PROXY__HTTPS_URL") or accounts.variables.get("PROXY__HTTP_URL")


def _eventually[Found](look: Callable[[], Found]) -> Found:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (found := look()):
        assert time.monotonic() < deadline, "the hub does not show in time what it should have made"
        time.sleep(0.05)
    return found
