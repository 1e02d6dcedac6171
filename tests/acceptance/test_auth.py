"""Who gets in: every route, without a token and with one that is no good. None of the requests has a body."""

from __future__ import annotations

import re
import uuid

import httpx
import pytest

from flame_node_agent.devstack.oidc import OidcIssuer
from tests.acceptance import forged_tokens, routes
from tests.acceptance.bearers import Bearers
from tests.acceptance.forged_tokens import claims_for
from tests.acceptance.running_agents import RunningAgent

_ID = re.compile(r"[0-9a-f-]{36}")
MALFORMED = {"detail": "JWT is malformed"}


@pytest.fixture(
    params=routes.ALL, ids=lambda route: f"{route[0]} {_ID.sub('id', route[1]).partition('?')[0]}"
)
def route(request: pytest.FixtureRequest) -> tuple[str, str]:
    found: tuple[str, str] = request.param
    return found


def test_request_without_a_token_is_refused(any_agent: RunningAgent, route: tuple[str, str]) -> None:
    answer = any_agent.http.request(*route)
    assert (answer.status_code, answer.json()) == (403, {"detail": "Not authenticated"})


def test_request_with_another_scheme_is_refused(any_agent: RunningAgent, route: tuple[str, str]) -> None:
    answer = any_agent.http.request(*route, auth=httpx.BasicAuth("analysis", "password"))
    assert (answer.status_code, answer.json()) == (403, {"detail": "Invalid authentication credentials"})


def test_expired_token_is_refused(any_agent: RunningAgent, bearers: Bearers, route: tuple[str, str]) -> None:
    """Issued an hour ago, for a second; told before what the body lacks."""
    expired = bearers.of(uuid.uuid4(), lifetime_seconds=-3599)
    answer = any_agent.http.request(*route, auth=expired)
    assert (answer.status_code, answer.json()) == (403, MALFORMED)


def test_token_without_the_client_id_claim_is_refused(
    any_agent: RunningAgent, bearers: Bearers, oidc_issuer: OidcIssuer, route: tuple[str, str]
) -> None:
    nameless = bearers.noted(forged_tokens.signed(claims_for("", client_id=None), oidc_issuer.key))
    answer = any_agent.http.request(*route, auth=nameless)
    assert (answer.status_code, answer.json()) == (403, MALFORMED)


def test_token_that_expired_within_the_leeway_is_accepted(any_agent: RunningAgent, bearers: Bearers) -> None:
    """Clocks differ: a minute is forgiven."""
    late = bearers.of(uuid.uuid4(), lifetime_seconds=-30)
    assert any_agent.http.get("/local/tags", auth=late).status_code == 404
