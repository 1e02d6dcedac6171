"""DELETE /local: the results of a project that the hub no longer has."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from flame_node_agent.errors import HubRefused, HubUnavailable, HubUnexpected
from tests.unit.results.conftest import Endpoint, MakeEndpoint
from tests.unit.results.local_results import Auth, project_of, put_local


@pytest.fixture
def adapter(endpoint: Endpoint) -> Auth:
    return endpoint.auth("hub-adapter")


async def _delete(endpoint: Endpoint, auth: Auth, project: object, **request: Any) -> httpx.Response:
    return await endpoint.client.request(
        "DELETE", "/local", headers=auth, params={"project_id": str(project)}, **request
    )


async def test_project_that_the_hub_still_has_is_kept(
    endpoint: Endpoint, analysis: UUID, auth: Auth, adapter: Auth
) -> None:
    await put_local(endpoint, auth, tag="a-tag")
    project = project_of(endpoint, analysis)
    answer = await _delete(endpoint, adapter, project)
    assert (answer.status_code, answer.json()) == (
        400,
        {"detail": f"Project '{project}' will not be deleted because it is still available on the Hub."},
    )
    assert len(endpoint.objects.held) == 1
    assert len(endpoint.local_results.result_rows) == 1


@pytest.mark.parametrize("project", [None, "no-uuid"])
async def test_only_the_hub_adapter_deletes(
    endpoint: Endpoint, analysis: UUID, auth: Auth, project: str | None
) -> None:
    await put_local(endpoint, auth)
    answer = await _delete(endpoint, auth, project or project_of(endpoint, analysis))
    assert (answer.status_code, answer.json()) == (
        403,
        {
            "detail": "Only the Hub Adapter client is allowed to delete local results, got client ID"
            f" '{analysis}'."
        },
    )
    assert len(endpoint.objects.held) == 1
    assert "project" not in endpoint.hub.asked


@pytest.mark.parametrize("path", ["/local", "/local/"])
async def test_project_that_is_gone_is_deleted_with_all_that_is_its(
    endpoint: Endpoint, analysis: UUID, auth: Auth, adapter: Auth, path: str
) -> None:
    for number in range(40):
        await put_local(endpoint, auth, **({"tag": "a-tag"} if number % 2 else {}))
    other = endpoint.hub.add_analysis()
    kept = await put_local(endpoint, endpoint.auth(other), tag="a-tag")
    project = endpoint.hub.projects.pop(analysis)
    endpoint.objects.held[f"local/{project}/"] = (b"", "")  # some stores keep "directories"
    answer = await endpoint.client.request(
        "DELETE", path, headers=adapter, params={"project_id": str(project)}, json={}
    )
    assert (answer.status_code, answer.content) == (200, b"null")
    assert answer.headers["content-type"] == "application/json"
    assert [key.rpartition("/")[2] for key in endpoint.objects.held] == [str(kept)]
    assert list(endpoint.local_results.result_rows) == [(kept, other)]
    assert endpoint.local_results.tag_rows == [(project_of(endpoint, other), "a-tag")]
    gone = await endpoint.client.put("/local", headers=auth, files={"file": b"x"})
    assert gone.status_code == 404


async def test_deleted_project_is_forgotten(
    endpoint: Endpoint, analysis: UUID, auth: Auth, adapter: Auth
) -> None:
    await put_local(endpoint, auth)
    assert (await _delete(endpoint, adapter, endpoint.hub.projects.pop(analysis))).status_code == 200
    endpoint.hub.failure = HubUnavailable("down")
    answer = await endpoint.client.put("/local", headers=auth, files={"file": b"x"})
    assert answer.status_code == 503
    assert endpoint.objects.held == {}


@pytest.mark.parametrize(
    "project", ["5c5d1c6e-5d3c-4b5e-9a3f-0d3a4f1f7a10", "no-uuid", "", "..", "%2e%2e/x", "a\x00b"]
)
async def test_project_with_nothing_stored_is_deleted(
    endpoint: Endpoint, auth: Auth, adapter: Auth, project: object
) -> None:
    await put_local(endpoint, auth)
    answer = await _delete(endpoint, adapter, project)
    assert (answer.status_code, answer.content) == (200, b"null")
    assert len(endpoint.objects.held) == 1


async def test_delete_without_project_is_refused(endpoint: Endpoint, adapter: Auth) -> None:
    answer = await endpoint.client.delete("/local", headers=adapter)
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["query", "project_id"]


async def test_nothing_is_deleted_while_the_hub_cannot_say_that_the_project_is_gone(
    endpoint: Endpoint, analysis: UUID, auth: Auth, adapter: Auth
) -> None:
    await put_local(endpoint, auth)
    for failure, status in (
        (HubUnavailable("down"), 503),
        (HubUnexpected(None), 502),
        (HubRefused(403, "permission_denied", "no"), 502),
    ):
        endpoint.hub.failure = failure
        answer = await _delete(endpoint, adapter, project_of(endpoint, analysis))
        assert answer.status_code == status
    assert len(endpoint.objects.held) == 1


async def test_interrupted_deletion_can_be_repeated(
    endpoint: Endpoint, analysis: UUID, auth: Auth, adapter: Auth
) -> None:
    for _ in range(3):
        await put_local(endpoint, auth, tag="a-tag")
    project = endpoint.hub.projects.pop(analysis)
    endpoint.staging.database_away = True
    assert (await _delete(endpoint, adapter, project)).status_code == 503
    assert len(endpoint.objects.held) == 3
    endpoint.staging.database_away = False
    assert (await _delete(endpoint, adapter, project)).status_code == 200
    assert endpoint.objects.held == {}
    assert endpoint.local_results.result_rows == {}


async def test_adapter_is_named_by_a_setting(make_endpoint: MakeEndpoint) -> None:
    endpoint = make_endpoint(HUB_ADAPTER_CLIENT_ID="our-adapter")
    statuses = [
        (await _delete(endpoint, endpoint.auth(caller), uuid4())).status_code
        for caller in ("our-adapter", "hub-adapter")
    ]
    assert statuses == [200, 403]
