"""The OIDC issuer of the development stack, as an OAuth 2.0 client and a resource server see it."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from joserfc import jwt
from joserfc.errors import BadSignatureError, InvalidKeyIdError
from joserfc.jwk import KeySet

from flame_node_agent.devstack.oidc import OidcIssuer
from flame_node_agent.devstack.ports import free_ports

GRANT = {"grant_type": "client_credentials"}


@pytest.fixture
def issuer(tmp_path: Path) -> Iterator[OidcIssuer]:
    issuer = OidcIssuer(tmp_path / "oidc", port=free_ports(1)[0])
    issuer.start()
    yield issuer
    issuer.stop()


@pytest.fixture(scope="module")
def http() -> Iterator[httpx.Client]:
    with httpx.Client(trust_env=False) as client:
        yield client


def verified(token: str, certs_url: str, http: httpx.Client) -> dict[str, object]:
    keys = KeySet.import_key_set(http.get(certs_url).json())
    return dict(jwt.decode(token, keys, algorithms=["RS256"]).claims)


def test_discovery_leads_to_keys_that_verify_a_token(issuer: OidcIssuer, http: httpx.Client) -> None:
    analysis = str(uuid.uuid4())
    found = http.get(f"{issuer.issuer}/.well-known/openid-configuration").json()
    assert found["issuer"] == issuer.issuer
    before = int(time.time())
    secret = {"client_id": analysis, "client_secret": "s"}
    answer = http.post(found["token_endpoint"], data=GRANT | secret)
    assert answer.headers["Cache-Control"] == "no-store"
    body = answer.json()
    assert (body["token_type"], body["expires_in"]) == ("Bearer", 3600)
    claims = verified(body["access_token"], found["jwks_uri"], http)
    assert claims["client_id"] == claims["azp"] == analysis
    assert claims["iss"] == issuer.issuer
    assert before <= int(str(claims["iat"])) <= int(str(claims["exp"])) - 3600


def test_the_certs_hold_no_private_key(issuer: OidcIssuer, http: httpx.Client) -> None:
    (key,) = http.get(issuer.certs_url).json()["keys"]
    assert set(key) == {"kty", "n", "e", "kid", "use", "alg"}


def test_the_secret_shown_first_is_the_secret_from_then_on(issuer: OidcIssuer, http: httpx.Client) -> None:
    assert http.post(issuer.token_url, data=GRANT, auth=("analysis", "first")).status_code == 200
    refused = http.post(issuer.token_url, data=GRANT, auth=("analysis", "second"))
    assert refused.status_code == 401
    assert refused.json()["error"] == "invalid_client"
    assert refused.headers["WWW-Authenticate"].startswith("Basic ")
    in_body = {"client_id": "analysis", "client_secret": "first"}
    assert http.post(issuer.token_url, data=GRANT | in_body).status_code == 200


@pytest.mark.parametrize(
    ("form", "status", "error"),
    [
        ({"client_id": "a", "client_secret": "s"}, 400, "invalid_request"),
        ({"grant_type": "password", "client_id": "a", "client_secret": "s"}, 400, "unsupported_grant_type"),
        (GRANT | {"client_id": "a"}, 401, "invalid_client"),
        (GRANT, 401, "invalid_client"),
    ],
)
def test_a_request_that_lacks_something_is_refused_as_the_rfc_says(
    issuer: OidcIssuer, http: httpx.Client, form: dict[str, str], status: int, error: str
) -> None:
    answer = http.post(issuer.token_url, data=form)
    assert (answer.status_code, answer.json()["error"]) == (status, error)


def test_a_damaged_basic_header_is_refused(issuer: OidcIssuer, http: httpx.Client) -> None:
    answer = http.post(issuer.token_url, data=GRANT, headers={"Authorization": "Basic ?"})
    assert answer.status_code == 401


def test_claims_can_be_replaced_and_left_out(issuer: OidcIssuer) -> None:
    token = issuer.issue("analysis", lifetime_seconds=-60, client_id_2="x", azp=None)
    keys = KeySet.import_key_set(issuer.jwks())
    claims = jwt.decode(token, keys, algorithms=["RS256"]).claims
    assert claims["exp"] == claims["iat"] - 60
    assert claims["client_id_2"] == "x"
    assert "azp" not in claims


def test_tokens_outlive_a_new_key_but_not_a_withdrawn_one(issuer: OidcIssuer, http: httpx.Client) -> None:
    old = issuer.issue("analysis")
    issuer.rotate()
    assert verified(old, issuer.certs_url, http)["client_id"] == "analysis"
    assert verified(issuer.issue("analysis"), issuer.certs_url, http)["client_id"] == "analysis"
    issuer.rotate(withdraw=True)
    assert len(http.get(issuer.certs_url).json()["keys"]) == 1
    with pytest.raises((BadSignatureError, InvalidKeyIdError, ValueError)):
        verified(old, issuer.certs_url, http)


def test_keys_and_clients_outlive_a_restart(issuer: OidcIssuer, http: httpx.Client, tmp_path: Path) -> None:
    token = issuer.issue("analysis")
    http.post(issuer.token_url, data=GRANT, auth=("analysis", "secret"))
    issuer.stop()
    with pytest.raises(httpx.ConnectError):
        http.get(issuer.certs_url)
    again = OidcIssuer(tmp_path / "oidc", port=httpx.URL(issuer.base_url).port or 0)
    again.start()
    try:
        assert verified(token, again.certs_url, http)["client_id"] == "analysis"
        assert http.post(again.token_url, data=GRANT, auth=("analysis", "other")).status_code == 401
    finally:
        again.stop()


@pytest.mark.usefixtures("issuer")
def test_what_the_issuer_keeps_is_for_its_owner_only(tmp_path: Path) -> None:
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "oidc").iterdir()}
    assert modes["keys.json"] == 0o600
