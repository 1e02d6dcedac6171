"""The token issuer's comings and goings: other issuers and audiences, new keys, and outages."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator

import pytest

from flame_node_agent.devstack.oidc import OidcIssuer
from flame_node_agent.devstack.ports import free_ports
from flame_node_agent.devstack.testing import LazyParts
from tests.acceptance import forged_tokens, routes
from tests.acceptance.bearers import Bearers
from tests.acceptance.conftest import NewAgent
from tests.acceptance.forged_tokens import claims_for
from tests.acceptance.running_agents import RunningAgent

UNAVAILABLE = (502, {"detail": "Auth provider is unavailable"})
KNOWN, REFUSED = 404, 403
"""Status of a client that gets in but is no analysis of the hub, and of one that does not."""

type OwnAgent = Callable[..., RunningAgent]


@pytest.fixture
def own_issuer(parts: LazyParts) -> Iterator[OidcIssuer]:
    """An issuer that the test may stop, and whose keys it may change."""
    issuer = OidcIssuer(parts.directory / f"oidc-{uuid.uuid4().hex}", port=free_ports(1)[0])
    issuer.start()
    yield issuer
    issuer.stop()


@pytest.fixture
def agent_of_issuer(new_agent: NewAgent, own_issuer: OidcIssuer) -> OwnAgent:
    """Starts an agent that trusts the test's own issuer."""

    def start(*, wait_for_parts: bool = True, **settings: str) -> RunningAgent:
        agent = new_agent(OIDC__CERTS_URL=own_issuer.certs_url, **settings)
        return agent.start(wait_for_parts=wait_for_parts)

    return start


def status_of(agent: RunningAgent, bearers: Bearers, token: str) -> int:
    return agent.http.get("/local/tags", auth=bearers.noted(token)).status_code


def test_issuer_and_audience_are_compared_where_the_settings_name_them(
    agent_of_issuer: OwnAgent, own_issuer: OidcIssuer, bearers: Bearers
) -> None:
    agent = agent_of_issuer(OIDC__ISSUER=own_issuer.issuer, OIDC__AUDIENCE="flame-node")
    right = {"iss": own_issuer.issuer, "aud": "flame-node"}

    def status(**claims: object) -> int:
        token = forged_tokens.signed(claims_for(uuid.uuid4(), **right | claims), own_issuer.key)
        return status_of(agent, bearers, token)

    assert status() == status(aud=["account", "flame-node"]) == KNOWN
    for wrong in (
        {"iss": "http://127.0.0.1:1/realms/flame"},
        {"iss": None},
        {"iss": f"{own_issuer.issuer}/"},
        {"iss": [own_issuer.issuer]},
        {"aud": "account"},
        {"aud": None},
        {"aud": ["account"]},
        {"aud": "flame-node-2"},
    ):
        assert status(**wrong) == REFUSED, wrong


def test_analysis_may_be_named_by_another_claim(
    agent_of_issuer: OwnAgent, own_issuer: OidcIssuer, bearers: Bearers
) -> None:
    """FLAME's charts say `azp`."""
    agent = agent_of_issuer(OIDC__CLIENT_ID_CLAIM_NAME="azp")
    client = uuid.uuid4()
    token = own_issuer.issue("somebody", azp=str(client))
    answer = agent.http.get("/local/tags", auth=bearers.noted(token))
    assert answer.json() == {"detail": f"Analysis with ID {client} not found"}


def test_rotated_keys_are_found_and_withdrawn_ones_forgotten(
    agent_of_issuer: OwnAgent, own_issuer: OidcIssuer, bearers: Bearers
) -> None:
    """A token with a new key id is accepted at once; the old token no more, although it was accepted before."""
    agent = agent_of_issuer()
    old = own_issuer.issue("client")
    assert status_of(agent, bearers, old) == KNOWN
    own_issuer.rotate(withdraw=True)
    assert status_of(agent, bearers, own_issuer.issue("client")) == KNOWN
    assert status_of(agent, bearers, old) == REFUSED


def test_known_keys_outlive_an_outage_of_the_issuer(
    agent_of_issuer: OwnAgent, own_issuer: OidcIssuer, bearers: Bearers
) -> None:
    """Good tokens get in, also new ones; bad ones do not, and an unknown key id is no reason to fail."""
    agent = agent_of_issuer(OIDC__JWKS_REFRESH_SECONDS="0.1")
    assert status_of(agent, bearers, own_issuer.issue("client")) == KNOWN
    own_issuer.stop()
    assert status_of(agent, bearers, own_issuer.issue("client")) == KNOWN
    stranger = forged_tokens.signed(claims_for("client"), forged_tokens.stranger(), kid="unknown")
    assert status_of(agent, bearers, stranger) == REFUSED


def test_without_any_known_key_every_route_says_that_the_issuer_is_unavailable(
    agent_of_issuer: OwnAgent, own_issuer: OidcIssuer, bearers: Bearers
) -> None:
    """Also to requests without a token or with a bad one. When the issuer comes, they are served."""
    own_issuer.stop()
    agent = agent_of_issuer(wait_for_parts=False)
    for method, path in routes.ALL:
        for auth in (bearers.of_anybody(), None):
            answer = agent.http.request(method, path, auth=auth)
            assert (answer.status_code, answer.json()) == UNAVAILABLE, path
    assert agent.http.get("/healthz").status_code == 200
    own_issuer.start()
    assert status_of(agent, bearers, own_issuer.issue("client")) == KNOWN


def test_certificates_url_without_keys_is_an_unavailable_issuer(
    new_agent: NewAgent, own_issuer: OidcIssuer, bearers: Bearers
) -> None:
    """JSON that is no JWKS, and a page that is no JSON."""
    for url in (own_issuer.token_url, f"{own_issuer.issuer}/.well-known/openid-configuration"):
        agent = new_agent(OIDC__CERTS_URL=url).start(wait_for_parts=False)
        answer = agent.http.get("/local/tags", auth=bearers.of_anybody())
        assert (answer.status_code, answer.json()) == UNAVAILABLE
