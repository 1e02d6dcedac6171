"""Who may call data-access-api: rules, order and texts of FLIP's."""

from __future__ import annotations

import pytest

from tests.unit.cohort.service_double import ADMIN, ENVIRONMENT, INTERNAL, assemble

ROUTES = (
    "/cohort",
    "/cohort/dataframe",
    "/cohort/accession-ids",
    "/cohort/snapshot",
    "/cohort/snapshot/delete",
)
WRITING = ("/cohort/snapshot", "/cohort/snapshot/delete")
MISSING = "Not authenticated: trust-internal service key is missing."
WRONG = "Invalid trust-internal service key."
NOT_CONFIGURED = "Trust-internal service auth not configured."
NO_ADMIN = (403, {"detail": "Not authorised to define the cohort snapshot."})


@pytest.mark.parametrize("path", [spelling for route in ROUTES for spelling in (route, f"{route}/")])
@pytest.mark.parametrize(
    ("headers", "detail"),
    [
        ({}, MISSING),
        ({"X-Trust-Internal-Service-Key": ""}, MISSING),
        ({"X-Trust-Internal-Service-Key": "internal-key-471"}, WRONG),
        ({"X-Trust-Internal-Service-Key": "Bearer internal-key-4711"}, WRONG),
        ({"Authorization": "internal-key-4711"}, MISSING),
    ],
)
async def test_missing_and_wrong_keys_are_refused_on_every_route(
    path: str, headers: dict[str, str], detail: str
) -> None:
    service = assemble()
    answer = await service.client.post(path, headers=headers, json={})
    assert (answer.status_code, answer.json()) == (401, {"detail": detail})
    assert answer.headers["www-authenticate"] == "ApiKey"


@pytest.mark.parametrize("path", ROUTES)
async def test_without_a_key_of_its_own_the_service_refuses_everybody(path: str) -> None:
    service = assemble(TRUST_INTERNAL_SERVICE_KEY="")
    assert await service.post(path, {}) == (401, {"detail": NOT_CONFIGURED})
    assert await service.post(path, {}, headers={}) == (401, {"detail": MISSING})


async def test_key_is_looked_for_in_the_header_of_the_setting() -> None:
    service = assemble(TRUST_INTERNAL_SERVICE_KEY_HEADER="X-Other")
    key = ENVIRONMENT["TRUST_INTERNAL_SERVICE_KEY"]
    assert (await service.post("/cohort", service.cohort(), headers={"x-other": key}))[0] == 200
    assert await service.post("/cohort", service.cohort(), headers=INTERNAL) == (401, {"detail": MISSING})


async def test_a_key_that_is_no_text_is_wrong_and_nothing_worse() -> None:
    service = assemble()
    answer = await service.client.post("/cohort", headers={b"X-Trust-Internal-Service-Key": b"\xff\xe9"})
    assert (answer.status_code, answer.json()) == (401, {"detail": WRONG})


@pytest.mark.parametrize("path", ["/health", "/health/", "/readyz", "/metrics", "/openapi.json"])
async def test_health_is_open(path: str) -> None:
    assert (await assemble().client.get(path)).status_code == 200


@pytest.mark.parametrize("path", WRITING)
@pytest.mark.parametrize("shown", [None, "", "wrong", ENVIRONMENT["AES_KEY_BASE64"], "A" * 64])
async def test_whoever_does_not_hold_the_aes_key_gets_the_same_403(path: str, shown: str | None) -> None:
    service = assemble()
    headers = INTERNAL if shown is None else {**INTERNAL, "X-Cohort-Admin-Key": shown}
    assert await service.post(path, {}, headers=headers) == NO_ADMIN


@pytest.mark.parametrize("path", WRITING)
async def test_401_precedes_403(path: str) -> None:
    headers = {name: value for name, value in ADMIN.items() if name not in INTERNAL}
    assert await assemble().post(path, {}, headers=headers) == (401, {"detail": MISSING})


@pytest.mark.parametrize("path", WRITING)
async def test_holders_of_the_aes_key_get_past(path: str) -> None:
    assert (await assemble().post(path, {}))[0] == 422


@pytest.mark.parametrize("path", [route for route in ROUTES if route not in WRITING])
async def test_reading_needs_no_aes_key(path: str) -> None:
    assert (await assemble().post(path, {}, headers=INTERNAL))[0] == 422


@pytest.mark.parametrize("path", ROUTES)
async def test_keys_are_looked_at_before_the_body(path: str) -> None:
    service = assemble()
    answer = await service.client.post(
        path, content=b"{", headers={"Content-Type": "application/json", "Content-Length": "99999999"}
    )
    assert (answer.status_code, answer.json()) == (401, {"detail": MISSING})
