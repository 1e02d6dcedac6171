"""Behind FLAME's nginx: which urls are answered, and that a broken transfer shows."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from http.client import IncompleteRead

import httpx
import pytest

from flame_node_agent.devstack.ports import LOOPBACK
from flame_node_agent.devstack.testing import RunningHub
from tests.acceptance.conftest import Analysis
from tests.acceptance.flame_nginx import HOST, FlameNginx, Upstream
from tests.acceptance.hub_user import HubUser
from tests.acceptance.running_agents import RunningAgent


@pytest.fixture
def nginx(any_agent: RunningAgent) -> Iterator[httpx.Client]:
    with (
        FlameNginx(any_agent.server.ports[0]) as proxy,
        httpx.Client(base_url=proxy.base_url, headers={"Host": f"{HOST}:80"}, trust_env=False) as client,
    ):
        yield client


@pytest.mark.parametrize("path", ["/local", "/local/", "/intermediate", "/intermediate/"])
def test_url_is_the_hosts_without_port_and_prefix(nginx: httpx.Client, analysis: Analysis, path: str) -> None:
    """`http://<Host>/<route>/<id>`: what nginx cuts off the path is not put back, and X-Forwarded-* changes nothing."""
    answer = nginx.put(path, auth=analysis.auth, files={"file": b"content"})
    assert answer.status_code == 200
    object_id = uuid.UUID(answer.json()["object_id"])
    assert answer.json()["url"] == f"http://{HOST}/{path.strip('/')}/{object_id}"


def test_urls_of_tags_are_the_hosts_without_port_and_prefix(nginx: httpx.Client, analysis: Analysis) -> None:
    put = nginx.put("/local", auth=analysis.auth, files={"file": ("f", b"content")}, data={"tag": "model"})
    listed = nginx.get("/local/tags", auth=analysis.auth).json()
    assert listed == {"tags": [{"name": "model", "url": f"http://{HOST}/local/tags/model"}]}
    tagged = nginx.get("/local/tags/model", auth=analysis.auth).json()
    assert tagged == {"results": [{"filename": "f", "url": put.json()["url"]}]}


def test_forwarded_scheme_and_host_are_not_believed(any_agent: RunningAgent, analysis: Analysis) -> None:
    """Nobody on the network chooses the urls that others follow; the scheme is the one that was used."""
    lies = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "elsewhere", "Forwarded": "host=elsewhere"}
    answer = any_agent.http.put(
        "/local", auth=analysis.auth, files={"file": b"content"}, headers={"Host": HOST, **lies}
    )
    assert answer.json()["url"] == f"http://{HOST}/local/{answer.json()['object_id']}"


@pytest.mark.parametrize("path", ["/final", "/final/", "/final/localdp", "/local/tags", "/local/tags/"])
def test_no_spelling_of_a_path_is_redirected(nginx: httpx.Client, analysis: Analysis, path: str) -> None:
    """A redirect would lead out of nginx' locations."""
    if path.startswith("/final"):
        epsilon = {"epsilon": "1", "sensitivity": "1"}
        answer = nginx.put(path, auth=analysis.auth, files={"file": b"1"}, data=epsilon)
    else:
        answer = nginx.get(path, auth=analysis.auth)
    assert answer.status_code in {200, 204}


def test_transfer_that_breaks_is_not_taken_for_a_whole_result(
    any_agent: RunningAgent, analysis: Analysis, hub_user: HubUser, development_hub: RunningHub
) -> None:
    """To HTTP/1.0, which nginx speaks here, the end of a connection is the end of the content: the length must tell."""
    object_id = hub_user.upload(hub_user.storage_bucket(analysis.id, "TEMP"), os.urandom(3_000_000))
    development_hub.fault(match=f"GET /storage/bucket-files/{object_id}/stream", disconnect=1_000_000)
    upstream = Upstream(LOOPBACK, any_agent.server.ports[0], timeout=30)
    upstream.request(
        "GET", f"/intermediate/{object_id}", headers={"Authorization": f"Bearer {analysis.auth.token}"}
    )
    answer = upstream.getresponse()
    assert answer.status == 200
    with pytest.raises((IncompleteRead, ConnectionResetError)):
        answer.read()
    upstream.close()
