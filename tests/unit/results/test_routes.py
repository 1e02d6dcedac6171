"""The routes as a whole: spellings, methods, and what is served to nobody in particular."""

from __future__ import annotations

import pytest
from fastapi.routing import APIRoute

from tests.unit.results.conftest import Endpoint

Auth = dict[str, str]

ROUTES = {
    ("PUT", "/final"),
    ("PUT", "/final/localdp"),
    ("GET", "/uploads/{upload_id}"),
    ("PUT", "/intermediate"),
    ("GET", "/intermediate/{object_id}"),
    ("PUT", "/local"),
    ("DELETE", "/local"),
    ("GET", "/local/tags"),
    ("POST", "/local/tags"),
    ("GET", "/local/tags/{tag_name}"),
    ("PUT", "/local/upload"),
    ("GET", "/local/{object_id}"),
    ("GET", "/healthz"),
    ("GET", "/readyz"),
    ("GET", "/metrics"),
    ("GET", "/docs"),
    ("GET", "/docs/openapi.json"),
    ("GET", "/docs/assets/{name}"),
    ("GET", "/openapi.json"),
    ("GET", "/redoc"),
}


def test_every_route_has_both_spellings(endpoint: Endpoint) -> None:
    served = {
        (method, route.path)
        for route in endpoint.app.routes
        if isinstance(route, APIRoute)
        for method in route.methods
    }
    assert served == ROUTES | {(method, f"{path}/") for method, path in ROUTES}
    assert len(endpoint.app.routes) == len(served)


@pytest.mark.parametrize(("method", "path"), sorted(ROUTES))
async def test_no_spelling_redirects_to_the_other(endpoint: Endpoint, method: str, path: str) -> None:
    for spelling in (path, f"{path}/"):
        answer = await endpoint.client.request(method, spelling)
        if path == "/redoc":
            assert (answer.status_code, answer.headers["location"]) == (307, "/docs")
        else:
            assert not answer.is_redirect


async def test_unknown_path_is_not_found(endpoint: Endpoint, auth: Auth) -> None:
    for path in ("/", "/unknown", "/final/unknown", "/finall", "//final", "/local/a/b"):
        answer = await endpoint.client.put(path, headers=auth, files={"file": b"x"})
        assert (answer.status_code, answer.json()) == (404, {"detail": "Not Found"}), path


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/final", "PUT"),
        ("POST", "/final/", "PUT"),
        ("HEAD", "/healthz", "GET"),
        ("HEAD", "/local/0b8d4d1c-7a5b-4b3e-9f67-0f4f3a3f9a01", "GET"),
        ("OPTIONS", "/local", "DELETE, PUT"),
        ("DELETE", "/local/tags/", "GET, POST"),
        ("POST", "/local/upload", "PUT"),
        ("TRACE", "/intermediate", "PUT"),
    ],
)
async def test_wrong_method_is_refused_and_the_right_ones_named(
    endpoint: Endpoint, method: str, path: str, allowed: str
) -> None:
    answer = await endpoint.client.request(method, path)
    assert (answer.status_code, answer.headers["allow"]) == (405, allowed)
    if method != "HEAD":
        assert answer.json() == {"detail": "Method Not Allowed"}


async def test_no_cross_origin_access_is_granted(endpoint: Endpoint, auth: Auth) -> None:
    answer = await endpoint.client.get("/local/tags", headers={**auth, "Origin": "http://elsewhere.example"})
    assert not [name for name in answer.headers if name.startswith("access-control-")]
