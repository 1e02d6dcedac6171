"""Who gets in: every route that wants a token, in the order in which its checks are made."""

from __future__ import annotations

from uuid import UUID, uuid4

import httpx
import pytest

from flame_node_agent.results.issuer_keys import PAUSE_SECONDS
from tests.unit.results.conftest import Endpoint, MakeEndpoint
from tests.unit.results.issuer_double import KID, public, rsa_key, signed

ID = UUID("0b8d4d1c-7a5b-4b3e-9f67-0f4f3a3f9a01")

ROUTES = [
    ("GET", f"/intermediate/{ID}"),
    ("PUT", "/intermediate"),
    ("GET", f"/local/{ID}"),
    ("PUT", "/local"),
    ("DELETE", "/local"),
    ("PUT", "/local/upload"),
    ("PUT", "/final"),
    ("PUT", "/final/localdp"),
    ("GET", "/local/tags"),
    ("POST", "/local/tags"),
    ("GET", "/local/tags/anything"),
    ("GET", f"/uploads/{ID}"),
]
every_route = pytest.mark.parametrize(("method", "path"), ROUTES, ids=[f"{m} {p}" for m, p in ROUTES])


async def _refused(answer: httpx.Response, detail: str, status: int = 403) -> None:
    assert (answer.status_code, answer.json()) == (status, {"detail": detail})


@every_route
async def test_request_without_token_is_refused(endpoint: Endpoint, method: str, path: str) -> None:
    for spelling in (path, f"{path}/"):
        await _refused(await endpoint.client.request(method, spelling), "Not authenticated")


@every_route
async def test_expired_token_is_refused_even_without_body(endpoint: Endpoint, method: str, path: str) -> None:
    claims = endpoint.issuer.claims(ID)
    token = signed({**claims, "iat": claims["iat"] - 3600, "exp": claims["iat"] - 3599})
    answer = await endpoint.client.request(method, path, headers={"Authorization": f"Bearer {token}"})
    await _refused(answer, "JWT is malformed")


@every_route
async def test_token_without_client_id_is_refused(endpoint: Endpoint, method: str, path: str) -> None:
    answer = await endpoint.client.request(
        method, path, headers={"Authorization": f"Bearer {endpoint.issuer.token()}"}
    )
    await _refused(answer, "JWT is malformed")


@every_route
async def test_unreachable_issuer_is_told_before_anything_else(
    endpoint: Endpoint, method: str, path: str
) -> None:
    endpoint.issuer.away = True
    good = endpoint.auth(ID)
    for headers in (good, {}, {"Authorization": "Bearer garbage"}, {"Authorization": "Basic eDp5"}):
        answer = await endpoint.client.request(method, path, headers=headers)
        await _refused(answer, "Auth provider is unavailable", 502)


@every_route
async def test_token_is_checked_before_body_and_parameters(
    endpoint: Endpoint, method: str, path: str
) -> None:
    answer = await endpoint.client.request(
        method, path.replace(str(ID), "no-uuid"), headers={"Authorization": "Bearer garbage"}
    )
    await _refused(answer, "JWT is malformed")


@pytest.mark.parametrize(
    ("header", "detail"),
    [
        ("Basic dXNlcjpwYXNz", "Invalid authentication credentials"),
        ("Bearer", "Not authenticated"),
        ("Bearer ", "Not authenticated"),
        ("", "Not authenticated"),
        ("garbage", "Not authenticated"),
        ("Bearer not.a.token", "JWT is malformed"),
        ("Bearer ä.ö.ü".encode("latin-1"), "JWT is malformed"),
    ],
)
async def test_unusable_header_is_refused(endpoint: Endpoint, header: str | bytes, detail: str) -> None:
    await _refused(await endpoint.client.get("/local/tags", headers={"Authorization": header}), detail)


async def test_scheme_is_compared_in_any_case(endpoint: Endpoint, analysis: UUID) -> None:
    token = endpoint.issuer.token(analysis)
    answer = await endpoint.client.get("/local/tags", headers={"Authorization": f"bEaReR {token}"})
    assert answer.status_code == 200


async def test_known_keys_outlive_the_issuer(endpoint: Endpoint, analysis: UUID) -> None:
    await endpoint.client.get("/local/tags", headers=endpoint.auth(analysis))
    endpoint.issuer.away = True
    answer = await endpoint.client.get("/local/tags", headers=endpoint.auth(analysis))
    assert answer.status_code == 200


async def test_keys_are_fetched_once_for_many_requests(endpoint: Endpoint, analysis: UUID) -> None:
    for _ in range(5):
        await endpoint.client.get("/local/tags", headers=endpoint.auth(analysis))
    assert endpoint.issuer.fetches == 1


async def test_issuer_that_comes_back_is_asked_at_once(endpoint: Endpoint, analysis: UUID) -> None:
    endpoint.issuer.away = True
    await _refused(
        await endpoint.client.get("/local/tags", headers=endpoint.auth(analysis)),
        "Auth provider is unavailable",
        502,
    )
    endpoint.issuer.away = False
    assert (await endpoint.client.get("/local/tags", headers=endpoint.auth(analysis))).status_code == 200


@pytest.mark.parametrize("document", [{}, {"keys": "none"}, ["keys"]])
async def test_issuer_that_answers_no_jwks_is_unavailable(endpoint: Endpoint, document: dict) -> None:
    endpoint.issuer.document = document
    answer = await endpoint.client.get("/local/tags", headers=endpoint.auth(uuid4()))
    await _refused(answer, "Auth provider is unavailable", 502)


async def test_new_signing_key_is_accepted_without_restart(endpoint: Endpoint, analysis: UUID) -> None:
    await endpoint.client.get("/local/tags", headers=endpoint.auth(analysis))
    endpoint.issuer.keys.append(public(rsa_key("key-2")))
    token = signed(endpoint.issuer.claims(analysis), rsa_key("key-2"), header={"kid": "key-2"})
    answer = await endpoint.client.get("/local/tags", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 200
    assert endpoint.issuer.fetches == 2


async def test_made_up_key_ids_do_not_flood_the_issuer(endpoint: Endpoint, analysis: UUID) -> None:
    for number in range(20):
        token = signed(endpoint.issuer.claims(analysis), header={"kid": f"made-up-{number}"})
        answer = await endpoint.client.get("/local/tags", headers={"Authorization": f"Bearer {token}"})
        await _refused(answer, "JWT is malformed")
    assert PAUSE_SECONDS >= 10
    assert endpoint.issuer.fetches == 2


async def test_claim_name_is_a_setting(make_endpoint: MakeEndpoint) -> None:
    endpoint = make_endpoint(OIDC__CLIENT_ID_CLAIM_NAME="azp")
    analysis = endpoint.hub.add_analysis()
    good = endpoint.issuer.token(azp=str(analysis))
    other = endpoint.issuer.token(analysis)
    answers = [
        await endpoint.client.get("/local/tags", headers={"Authorization": f"Bearer {token}"})
        for token in (good, other)
    ]
    assert [answer.status_code for answer in answers] == [200, 403]


async def test_skipped_validation_believes_any_token_and_asks_no_issuer(make_endpoint: MakeEndpoint) -> None:
    endpoint = make_endpoint(OIDC__SKIP_JWT_VALIDATION="1")
    endpoint.issuer.away = True
    analysis = endpoint.hub.add_analysis()
    forged = signed({"client_id": str(analysis)}, rsa_key("stranger"))
    header, payload, _ = forged.split(".")
    for token in (forged, f"{header}.{payload}."):
        answer = await endpoint.client.get("/local/tags", headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 200
    assert endpoint.issuer.fetches == 0


@pytest.mark.parametrize("token", ["garbage", "a.b.c", signed({"iat": 1}), signed({"client_id": 7})])
async def test_skipped_validation_still_refuses_what_names_nobody(
    make_endpoint: MakeEndpoint, token: str
) -> None:
    endpoint = make_endpoint(OIDC__SKIP_JWT_VALIDATION="1")
    answer = await endpoint.client.get("/local/tags", headers={"Authorization": f"Bearer {token}"})
    await _refused(answer, "JWT is malformed")


async def test_client_id_that_is_no_uuid_is_unknown_without_asking_the_hub(endpoint: Endpoint) -> None:
    for caller in ("flame", f"{{{ID}}}", ID.hex, f"urn:uuid:{ID}", "../../buckets", ""):
        token = signed({**endpoint.issuer.claims(), "client_id": caller}, header={"kid": KID})
        answer = await endpoint.client.get("/local/tags", headers={"Authorization": f"Bearer {token}"})
        await _refused(answer, f"Analysis with ID {caller} not found", 404)
    assert endpoint.hub.asked == []
