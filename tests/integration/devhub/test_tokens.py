"""The auth service: grants of each release, refusals, and the check of tokens on every call."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from tests.integration.devhub.running import CLIENT, CLIENT_GRANT, PASSWORD_GRANT, ROBOT_GRANT, RunningHub


def test_password_grant_brings_a_refresh_token_that_works(hub: RunningHub) -> None:
    first = hub.http.post("/auth/token", json=PASSWORD_GRANT).json()
    assert {"access_token", "expires_in", "token_type", "scope", "refresh_token"} <= first.keys()
    assert isinstance(first["expires_in"], int)
    refresh = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"]}
    second = hub.http.post("/auth/token", json=refresh)
    assert second.status_code == 200
    assert second.json()["access_token"] != first["access_token"]
    assert "refresh_token" in second.json()


def test_robots_log_in_at_0_8_21_and_clients_later(hub: RunningHub) -> None:
    own, other = (ROBOT_GRANT, CLIENT_GRANT) if hub.profile == "0.8.21" else (CLIENT_GRANT, ROBOT_GRANT)
    granted = hub.http.post("/auth/token", json=own)
    assert granted.status_code == 200
    assert "refresh_token" not in granted.json()
    refused = hub.http.post("/auth/token", json=other)
    assert refused.status_code == 400
    assert refused.json()["code"] == "unsupported_token_grant_type"


def test_wrong_password_is_refused_with_400(hub: RunningHub) -> None:
    answer = hub.http.post("/auth/token", json={**PASSWORD_GRANT, "password": "wrong"})
    assert answer.status_code == answer.json()["statusCode"] == 400
    assert answer.json()["message"] == "The user credentials are invalid."


def test_wrong_secret_of_the_node_is_refused_as_its_release_does(hub: RunningHub) -> None:
    field = "secret" if hub.profile == "0.8.21" else "client_secret"
    answer = hub.http.post("/auth/token", json={**hub.grant(), field: "wrong"})
    expected = {
        "0.8.21": (400, "The robot credentials are invalid."),
        "0.8.30": (400, "The client credentials are invalid."),
        "0.13": (401, "Client authentication failed."),
    }[hub.profile]
    assert (answer.status_code, answer.json()["message"]) == expected


@pytest.mark.parametrize(
    "body", [{}, [], {"grant_type": "password"}, {"grant_type": "refresh_token", "refresh_token": "x"}]
)
def test_unusable_token_requests_get_400_in_json(hub: RunningHub, body: object) -> None:
    answer = hub.http.post("/auth/token", json=body)
    assert answer.status_code == answer.json()["statusCode"] == 400


def test_an_access_token_is_no_refresh_token_and_the_reverse(hub: RunningHub) -> None:
    tokens = hub.http.post("/auth/token", json=PASSWORD_GRANT).json()
    swapped = {"grant_type": "refresh_token", "refresh_token": tokens["access_token"]}
    assert hub.http.post("/auth/token", json=swapped).status_code == 400
    header = {"Authorization": f"Bearer {tokens['refresh_token']}"}
    assert hub.http.get("/core/nodes", headers=header).status_code == 401


@pytest.mark.parametrize(
    "path", ["/core/nodes", "/core/analysis-buckets", "/storage/buckets", "/auth/realms"]
)
@pytest.mark.parametrize("header", [None, "Bearer nonsense", "Basic abc", "Bearer a.b.c"])
def test_calls_without_a_valid_token_get_401_in_json(hub: RunningHub, path: str, header: str | None) -> None:
    answer = hub.http.get(path, headers={"Authorization": header} if header else {})
    body = answer.json()
    assert answer.status_code == body["statusCode"] == 401
    assert {"code", "message"} <= body.keys()
    assert ("issues" in body) is (hub.profile != "0.8.21")
    assert ("name" in body) is (hub.profile == "0.8.30")


def test_tokens_expire(fresh_hub: Callable[..., RunningHub]) -> None:
    hub = fresh_hub("0.13", "--token-seconds", "2")
    assert hub.http.post("/auth/token", json=CLIENT_GRANT).json()["expires_in"] == 2
    headers = hub.log_in()
    assert hub.http.get("/core/nodes", headers=headers).status_code == 200
    time.sleep(2.1)
    answer = hub.http.get("/core/nodes", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (401, "expired_token")


def test_tokens_of_another_hub_are_refused(hub_0_8_30: RunningHub, hub_0_13: RunningHub) -> None:
    headers = hub_0_8_30.log_in()
    assert hub_0_13.http.get("/core/nodes", headers=headers).status_code == 401


def test_an_account_made_over_the_api_can_log_in(hub_0_13: RunningHub) -> None:
    headers = hub_0_13.log_in(PASSWORD_GRANT)
    made = hub_0_13.http.post("/auth/clients", json={"name": "made", "secret": "fresh"}, headers=headers)
    assert made.status_code == 201
    assert "secret" not in made.json()["data"]
    grant = {
        "grant_type": "client_credentials",
        "client_id": made.json()["data"]["id"],
        "client_secret": "fresh",
    }
    assert hub_0_13.http.post("/auth/token", json=grant).status_code == 200


def test_the_root_of_every_service_answers(hub: RunningHub) -> None:
    for service in ("auth", "core", "storage"):
        assert hub.http.get(f"/{service}").status_code == hub.http.get(f"/{service}/").status_code == 200


def test_seeded_client_is_the_client_of_its_node(hub_0_13: RunningHub) -> None:
    found = hub_0_13.http.get(
        "/core/nodes", params={"filter[clientId]": CLIENT["id"]}, headers=hub_0_13.log_in()
    )
    assert [node["name"] for node in found.json()["data"]] == ["north"]
