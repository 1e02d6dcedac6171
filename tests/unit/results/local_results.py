"""Local results as an analysis stores them, for tests of what becomes of them."""

from __future__ import annotations

from uuid import UUID

from tests.unit.results.conftest import Endpoint

Auth = dict[str, str]
CONTENT = bytes(range(256)) * 40


async def put_local(endpoint: Endpoint, auth: Auth, content: bytes = CONTENT, **data: str) -> UUID:
    answer = await endpoint.client.put(
        "/local", headers=auth, files={"file": ("data.csv", content, "text/csv")}, data=data
    )
    assert answer.status_code == 200, answer.text
    return UUID(answer.json()["object_id"])


def project_of(endpoint: Endpoint, analysis: UUID) -> UUID:
    return endpoint.hub.projects[analysis]
