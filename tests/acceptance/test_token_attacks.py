"""Forged tokens: whatever an attacker writes into one, only the issuer's own signature counts."""

from __future__ import annotations

import uuid

import pytest

from flame_node_agent.devstack.oidc import OidcIssuer
from tests.acceptance import forged_tokens
from tests.acceptance.bearers import Bearers
from tests.acceptance.conftest import Analysis
from tests.acceptance.forged_tokens import claims_for
from tests.acceptance.running_agents import RunningAgent

STRANGER = forged_tokens.stranger()
REFUSED = (403, {"detail": "JWT is malformed"})


def tried(agent: RunningAgent, bearers: Bearers, token: str) -> tuple[int, object]:
    """What an analysis is answered that uploads nothing but its token, on a route that asks only for that first."""
    answer = agent.http.get("/local/tags", auth=bearers.noted(token))
    return answer.status_code, answer.json()


def test_the_same_claims_signed_by_the_issuer_get_in(
    any_agent: RunningAgent, analysis: Analysis, bearers: Bearers, oidc_issuer: OidcIssuer
) -> None:
    """So that the refusals below are about the signature alone."""
    token = forged_tokens.signed(claims_for(analysis.id), oidc_issuer.key, kid=oidc_issuer.key.kid)
    assert tried(any_agent, bearers, token) == (200, {"tags": []})
    assert tried(any_agent, bearers, forged_tokens.signed(claims_for(analysis.id), oidc_issuer.key))[0] == 200


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "nOnE", "", None])
def test_unsigned_token_is_refused(
    any_agent: RunningAgent, analysis: Analysis, bearers: Bearers, oidc_issuer: OidcIssuer, algorithm: object
) -> None:
    claims = claims_for(analysis.id)
    for header in ({}, {"kid": oidc_issuer.key.kid}):
        token = forged_tokens.unsigned(claims, alg=algorithm, **header)
        assert tried(any_agent, bearers, token) == REFUSED


@pytest.mark.parametrize("algorithm", ["HS256", "RS256", "RS512", "PS256", "ES256"])
def test_public_key_is_no_secret(
    any_agent: RunningAgent, analysis: Analysis, bearers: Bearers, oidc_issuer: OidcIssuer, algorithm: str
) -> None:
    """HMAC with the issuer's public key, in each of its written forms, under any name of an algorithm."""
    key = oidc_issuer.key
    known = [
        key.as_pem(private=False),
        key.as_pem(private=False).strip(),
        key.as_der(private=False),
        str(key.as_dict(private=False)["n"]).encode(),
    ]
    for secret in known:
        token = forged_tokens.authenticated(claims_for(analysis.id), secret, alg=algorithm, kid=key.kid)
        assert tried(any_agent, bearers, token) == REFUSED


@pytest.mark.parametrize(
    "kid",
    [
        "../../../../dev/null",
        "/dev/null",
        "' UNION SELECT 'secret' --",
        "http://127.0.0.1:1/jwks.json",
        "| sleep 10",
        "\x00",
        "k" * 5_000,
        ["list"],
        {"k": "v"},
        7,
        "",
    ],
    ids=lambda kid: repr(kid)[:24],
)
def test_key_id_chooses_among_the_issuers_keys_only(
    any_agent: RunningAgent, analysis: Analysis, bearers: Bearers, kid: object
) -> None:
    """It is no path, no statement and no address; signed with a stranger's key or an empty secret, it opens nothing."""
    claims = claims_for(analysis.id)
    for token in (
        forged_tokens.signed(claims, STRANGER, kid=kid),
        forged_tokens.authenticated(claims, b"", kid=kid),
    ):
        assert tried(any_agent, bearers, token) == REFUSED


def test_key_in_the_token_itself_is_not_believed(
    any_agent: RunningAgent, analysis: Analysis, bearers: Bearers, oidc_issuer: OidcIssuer
) -> None:
    """`jwk`, `jku`, `x5u` and `x5c` of the header choose nothing, with the issuer's key id or another one."""
    own = STRANGER.as_dict(private=False)
    for injected in (
        {"jwk": own},
        {"jku": "http://127.0.0.1:1/jwks.json"},
        {"x5u": "http://127.0.0.1:1/certificate.pem"},
        {"x5c": ["MIIB"]},
        {"jwk": {"kty": "oct", "k": "c2VjcmV0"}},
    ):
        for kid in (oidc_issuer.key.kid, "mine", None):
            header = injected | ({"kid": kid} if kid else {})
            for token in (
                forged_tokens.signed(claims_for(analysis.id), STRANGER, **header),
                forged_tokens.authenticated(claims_for(analysis.id), b"secret", **header),
            ):
                assert tried(any_agent, bearers, token) == REFUSED


def test_header_that_demands_an_extension_is_refused(
    any_agent: RunningAgent, analysis: Analysis, bearers: Bearers, oidc_issuer: OidcIssuer
) -> None:
    """Even with a good signature: what is marked as critical and not understood must not be ignored (RFC 7515)."""
    token = forged_tokens.signed(claims_for(analysis.id), oidc_issuer.key, crit=["b64"], b64=False)
    assert tried(any_agent, bearers, token) == REFUSED


@pytest.mark.parametrize("part", [0, 1, 2], ids=["header", "claims", "signature"])
def test_changed_token_is_refused(
    any_agent: RunningAgent, analysis: Analysis, bearers: Bearers, part: int
) -> None:
    """Each of the three parts of another good token in its place, and with one character changed."""
    own, other = analysis.auth.token.split("."), bearers.of(uuid.uuid4(), role="admin").token.split(".")
    changed = own[part][:10] + ("A" if own[part][10] != "A" else "B") + own[part][11:]
    replacements = {changed} | ({other[part]} if part else set())
    for replacement in replacements:
        token = ".".join([*own[:part], replacement, *own[part + 1 :]])
        assert tried(any_agent, bearers, token) == REFUSED


@pytest.mark.parametrize(
    "token",
    ["garbage", "a.b", "a.b.c", "a.b.c.d.e", "..", "e30.e30.", "é", "x" * 40_000],
    ids=lambda t: t[:12],
)
def test_garbage_is_refused(any_agent: RunningAgent, token: str) -> None:
    answer = any_agent.http.get("/local/tags", headers=[(b"Authorization", f"Bearer {token}".encode())])
    assert answer.status_code in {403, 400}, answer.text
    if answer.status_code == 403:
        assert answer.json() == REFUSED[1]


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": None},
        {"iat": None},
        {"client_id": None},
        {"exp": "4102444800"},
        {"exp": 1e400},
        {"exp": True},
        {"client_id": 4711},
        {"client_id": ["a"]},
        {"iat": "yesterday"},
    ],
    ids=str,
)
def test_signed_token_must_say_who_and_until_when(
    any_agent: RunningAgent, bearers: Bearers, oidc_issuer: OidcIssuer, claims: dict[str, object]
) -> None:
    token = forged_tokens.signed(claims_for(uuid.uuid4(), **claims), oidc_issuer.key)
    assert tried(any_agent, bearers, token) == REFUSED
