"""Attacks on tokens, and the rules for those that are good."""

from __future__ import annotations

import base64
import hmac
import json
import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from joserfc.jwk import ECKey, OctKey, OKPKey

from flame_node_agent.config.oidc import OidcSettings
from flame_node_agent.errors import TokenRejected
from flame_node_agent.results import tokens
from flame_node_agent.results.tokens import TokenCheck
from tests.unit.results.issuer_double import KID, IssuerDouble, public, rsa_key, signed, signed_raw

CALLER = "1c5f0b6e-1f0e-4d0c-8a56-2e9d9ce1d3b7"


class Clock:
    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def issuer() -> IssuerDouble:
    return IssuerDouble()


@pytest.fixture
def clock() -> Clock:
    return Clock()


MakeCheck = Callable[..., TokenCheck]


@pytest.fixture
def make_check(issuer: IssuerDouble, clock: Clock) -> MakeCheck:
    def make(**settings: Any) -> TokenCheck:
        oidc = OidcSettings.model_validate({"certs_url": "http://issuer.example/jwks", **settings})
        return TokenCheck(oidc, issuer.keys_for(oidc), clock=clock)

    return make


@pytest.fixture
def check(make_check: MakeCheck) -> TokenCheck:
    return make_check()


async def accepts(check: TokenCheck, token: str) -> bool:
    try:
        return await check.caller(f"Bearer {token}") == CALLER
    except TokenRejected:
        return False


async def test_good_token_names_the_caller(check: TokenCheck, issuer: IssuerDouble) -> None:
    assert await check.caller(f"Bearer {issuer.token(CALLER)}") == CALLER


async def test_token_without_key_id_is_tried_with_every_key(check: TokenCheck, issuer: IssuerDouble) -> None:
    issuer.keys.insert(0, public(rsa_key("other")))
    assert await accepts(check, signed(issuer.claims(CALLER), header={"kid": ...}))
    assert not await accepts(check, signed(issuer.claims(CALLER), rsa_key("stranger"), header={"kid": ...}))


def _encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


# Algorithms


async def test_algorithm_none_is_refused(check: TokenCheck, issuer: IssuerDouble) -> None:
    for name in ("none", "None", "NONE", "nOnE", ""):
        header = _encoded(json.dumps({"alg": name}).encode())
        _, payload, signature = issuer.token(CALLER).split(".")
        assert not await accepts(check, f"{header}.{payload}.")
        assert not await accepts(check, f"{header}.{payload}.{signature}")


@pytest.mark.parametrize("form", ["pem", "pem without newline", "der", "modulus", "jwk"])
async def test_hs256_with_the_public_key_as_secret_is_refused(
    check: TokenCheck, issuer: IssuerDouble, form: str
) -> None:
    key = rsa_key()
    secret = {
        "pem": key.as_pem(private=False),
        "pem without newline": key.as_pem(private=False).strip(),
        "der": key.as_der(private=False),
        "modulus": str(issuer.keys[0]["n"]).encode(),
        "jwk": json.dumps(issuer.keys[0]).encode(),
    }[form]
    header = _encoded(json.dumps({"alg": "HS256", "kid": KID}).encode())
    text = f"{header}.{_encoded(json.dumps(issuer.claims(CALLER)).encode())}"
    signature = hmac.digest(secret, text.encode(), "sha256")
    assert not await accepts(check, f"{text}.{_encoded(signature)}")


async def test_symmetric_key_in_the_jwks_is_never_used(make_check: MakeCheck, issuer: IssuerDouble) -> None:
    secret = OctKey.generate_key(256, {"kid": "shared"})
    issuer.keys.append({**secret.as_dict(private=True), "use": "sig", "alg": "HS256"})
    check = make_check()
    token = signed(issuer.claims(CALLER), secret, header={"kid": "shared"}, algorithm="HS256")
    assert not await accepts(check, token)


@pytest.mark.parametrize("algorithm", ["RS384", "RS512", "PS256", "PS384", "PS512"])
async def test_algorithm_that_is_not_allowed_is_refused(
    check: TokenCheck, make_check: MakeCheck, issuer: IssuerDouble, algorithm: str
) -> None:
    token = signed(issuer.claims(CALLER), algorithm=algorithm)
    assert not await accepts(check, token)
    assert await accepts(make_check(algorithms=f"RS256,{algorithm}"), token)


async def test_key_meant_for_one_algorithm_is_not_used_with_another(
    make_check: MakeCheck, issuer: IssuerDouble
) -> None:
    issuer.keys = [public(rsa_key(), alg="RS256")]
    check = make_check(algorithms="RS256,PS256")
    assert await accepts(check, signed(issuer.claims(CALLER)))
    assert not await accepts(check, signed(issuer.claims(CALLER), algorithm="PS256"))


@pytest.mark.parametrize(
    ("algorithm", "key"),
    [
        ("ES256", ECKey.generate_key("P-256", {"kid": "ec"})),
        ("ES384", ECKey.generate_key("P-384", {"kid": "ec"})),
        ("EdDSA", OKPKey.generate_key("Ed25519", {"kid": "ec"})),
    ],
)
async def test_elliptic_curves_are_accepted_where_the_settings_allow(
    make_check: MakeCheck, issuer: IssuerDouble, algorithm: str, key: ECKey | OKPKey
) -> None:
    issuer.keys.append(public(key))
    token = signed(issuer.claims(CALLER), key, header={"kid": "ec"}, algorithm=algorithm)
    assert not await accepts(make_check(), token)
    assert await accepts(make_check(algorithms=f"RS256,{algorithm}"), token)


# Keys


async def test_signature_of_a_stranger_is_refused(check: TokenCheck, issuer: IssuerDouble) -> None:
    assert not await accepts(check, signed(issuer.claims(CALLER), rsa_key("stranger")))


async def test_changed_content_is_refused(check: TokenCheck, issuer: IssuerDouble) -> None:
    header, _, signature = issuer.token("2c5f0b6e-1f0e-4d0c-8a56-2e9d9ce1d3b7").split(".")
    _, payload, _ = issuer.token(CALLER).split(".")
    assert not await accepts(check, f"{header}.{payload}.{signature}")


@pytest.mark.parametrize(
    "kid",
    [
        "unknown",
        "",
        "../../../../dev/null",
        "/etc/passwd",
        "file:///dev/null",
        "key-1' UNION SELECT 'secret' --",
        "key-1\x00",
        "KEY-1",
        "http://attacker.example/jwks",
        "k" * 5000,
    ],
)
async def test_injected_key_id_is_refused(check: TokenCheck, issuer: IssuerDouble, kid: str) -> None:
    assert not await accepts(check, signed(issuer.claims(CALLER), header={"kid": kid}))


@pytest.mark.parametrize("kid", [1, [KID], {"kid": KID}, True])
async def test_key_id_that_is_no_string_is_refused(
    check: TokenCheck, issuer: IssuerDouble, kid: object
) -> None:
    assert not await accepts(check, signed(issuer.claims(CALLER), header={"kid": kid}))


async def test_key_named_in_the_header_is_not_used(check: TokenCheck, issuer: IssuerDouble) -> None:
    attacker = rsa_key("stranger")
    for header in (
        {"jwk": public(attacker)},
        {"jwk": public(attacker), "kid": ...},
        {"jku": "http://attacker.example/jwks", "kid": "stranger"},
        {"x5u": "http://attacker.example/cert.pem"},
        {"x5c": ["MIIB"], "kid": ...},
    ):
        assert not await accepts(check, signed(issuer.claims(CALLER), attacker, header=header))
    assert issuer.fetches <= 2


async def test_good_token_may_carry_headers_that_mean_nothing(
    check: TokenCheck, issuer: IssuerDouble
) -> None:
    assert await accepts(check, signed(issuer.claims(CALLER), header={"typ": "JWT", "x5t": "abc", "own": 1}))


async def test_swapped_jwks_ends_the_tokens_of_the_old_keys(
    make_check: MakeCheck, issuer: IssuerDouble
) -> None:
    check = make_check()
    old = issuer.token(CALLER)
    assert await accepts(check, old)
    issuer.keys = [public(rsa_key("new"))]
    new = signed(issuer.claims(CALLER), rsa_key("new"), header={"kid": "new"})
    assert await accepts(check, new)
    assert not await accepts(check, old)


async def test_swapped_key_under_the_same_id_ends_the_old_tokens(
    make_check: MakeCheck, issuer: IssuerDouble
) -> None:
    check = make_check()
    old = issuer.token(CALLER)
    assert await accepts(check, old)
    issuer.keys = [{**public(rsa_key("new")), "kid": KID}]
    # A stranger's key id makes the node look at the issuer once more.
    assert not await accepts(check, signed(issuer.claims(CALLER), header={"kid": "unknown"}))
    assert not await accepts(check, old)
    assert await accepts(check, signed(issuer.claims(CALLER), rsa_key("new")))


# Headers


@pytest.mark.parametrize(
    "extra", [{"crit": ["exp"]}, {"crit": ["b64"], "b64": False}, {"crit": []}, {"b64": True}]
)
async def test_header_that_demands_extensions_is_refused(
    check: TokenCheck, issuer: IssuerDouble, extra: dict
) -> None:
    assert not await accepts(check, signed(issuer.claims(CALLER), header=extra))


async def test_name_that_comes_twice_is_refused(check: TokenCheck, issuer: IssuerDouble) -> None:
    claims = json.dumps(issuer.claims(CALLER)).encode()
    header = json.dumps({"alg": "RS256", "kid": KID}).encode()
    assert await accepts(check, signed_raw(header, claims, rsa_key(), "RS256"))
    twice = b'{"alg":"none","alg":"RS256","kid":"key-1"}'
    assert not await accepts(check, signed_raw(twice, claims, rsa_key(), "RS256"))
    twice = claims[:-1] + b',"client_id":"another"}'
    assert not await accepts(check, signed_raw(header, twice, rsa_key(), "RS256"))


@pytest.mark.parametrize(
    "header", [b"[]", b'"RS256"', b"null", b"{}", b'{"alg":["RS256"]}', b'{"alg":null}', b"\xff", b"{", b""]
)
async def test_header_that_is_no_object_with_an_algorithm_is_refused(
    check: TokenCheck, issuer: IssuerDouble, header: bytes
) -> None:
    claims = json.dumps(issuer.claims(CALLER)).encode()
    assert not await accepts(check, signed_raw(header, claims, rsa_key(), "RS256"))


@pytest.mark.parametrize(
    "content", [b"[]", b"null", b"1", b"", b"{", b"\xff\xfe", b"[" * 20_000, b"9" * 5000]
)
async def test_content_that_is_no_object_is_refused(check: TokenCheck, content: bytes) -> None:
    assert not await accepts(check, signed(content))


def _changed(token: str) -> Sequence[str]:
    header, payload, signature = token.split(".")
    return [
        f"{header}.{payload}",
        f"{token}.",
        f".{payload}.{signature}",
        f"{header}..{signature}",
        f"{header}.{payload}.",
        f"{header}.{payload}.{signature}==",
        f"{header}.{payload}.{signature[:-4]}",
        f"{header}.{payload}.{signature} ",
        f"{header}.{payload}.!{signature}",
        token.replace(".", "\u2024"),
        f"{header}.{payload}+.{signature}",
        "..",
        ".",
    ]


async def test_token_in_no_proper_form_is_refused(check: TokenCheck, issuer: IssuerDouble) -> None:
    token = issuer.token(CALLER)
    # White space around the token belongs to the HTTP header, not to the token.
    for form in _changed(token):
        if form.strip() != token:
            assert not await accepts(check, form), form


async def test_huge_token_is_refused_unread(check: TokenCheck, issuer: IssuerDouble) -> None:
    token = issuer.token(CALLER, padding="x" * tokens.MAX_TOKEN_BYTES)
    assert not await accepts(check, token)
    assert await accepts(check, issuer.token(CALLER, padding="x" * 4096))


# Claims


@pytest.mark.parametrize("claim", ["iat", "exp"])
@pytest.mark.parametrize("value", [..., None, "1900000000", True, [], {}, float("nan"), float("inf")])
async def test_time_that_is_missing_or_no_number_is_refused(
    check: TokenCheck, issuer: IssuerDouble, claim: str, value: object
) -> None:
    assert not await accepts(check, issuer.token(CALLER, **{claim: value}))


async def test_expiry_has_sixty_seconds_of_leeway(
    check: TokenCheck, issuer: IssuerDouble, clock: Clock
) -> None:
    token = issuer.token(CALLER, exp=int(clock.now) - 30)
    assert await accepts(check, token)
    clock.now += 31
    assert not await accepts(check, token)
    assert not await accepts(check, issuer.token(CALLER, exp=int(clock.now) - 61))


async def test_remembered_token_still_expires(check: TokenCheck, issuer: IssuerDouble, clock: Clock) -> None:
    token = issuer.token(CALLER)
    assert await accepts(check, token)
    clock.now += 600 + tokens.LEEWAY_SECONDS + 1
    assert not await accepts(check, token)


async def test_future_iat_and_nbf_are_not_compared(check: TokenCheck, issuer: IssuerDouble) -> None:
    later = int(time.time()) + 300
    assert await accepts(check, issuer.token(CALLER, iat=later, nbf=later))
    assert await accepts(check, issuer.token(CALLER, exp=time.time() + 1.5))


@pytest.mark.parametrize("value", [..., None, 7, ["x"], {"id": CALLER}, True])
async def test_client_id_that_is_no_string_is_refused(
    check: TokenCheck, issuer: IssuerDouble, value: object
) -> None:
    claims = issuer.claims() if value is ... else {**issuer.claims(), "client_id": value}
    assert not await accepts(check, signed(claims))


async def test_issuer_is_compared_only_where_the_settings_name_one(
    make_check: MakeCheck, issuer: IssuerDouble
) -> None:
    named = make_check(issuer="https://issuer.example")
    assert await accepts(named, issuer.token(CALLER))
    for other in (
        "https://issuer.example/",
        "https://attacker.example",
        ...,
        None,
        ["https://issuer.example"],
    ):
        assert not await accepts(named, issuer.token(CALLER, iss=other))
    assert await accepts(make_check(), issuer.token(CALLER, iss="https://attacker.example"))


async def test_audience_is_compared_only_where_the_settings_name_one(
    make_check: MakeCheck, issuer: IssuerDouble
) -> None:
    named = make_check(audience="node")
    assert await accepts(named, issuer.token(CALLER, aud="node"))
    assert await accepts(named, issuer.token(CALLER, aud=["account", "node"]))
    for other in ("account", "nodes", ["account"], [], ..., None, {"node": 1}, 7):
        assert not await accepts(named, issuer.token(CALLER, aud=other))
    assert await accepts(make_check(), issuer.token(CALLER, aud="another"))


async def test_remembered_tokens_are_bounded(
    make_check: MakeCheck, issuer: IssuerDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens, "REMEMBERED_TOKENS", 3)
    check = make_check()
    for number in range(10):
        assert await accepts(check, issuer.token(CALLER, jti=number))
    assert len(check._good) == 3


async def test_signature_is_verified_once_for_a_token(
    check: TokenCheck, issuer: IssuerDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = issuer.token(CALLER)
    assert await accepts(check, token)

    def fail(*_: object) -> bool:
        raise AssertionError("verified again")

    monkeypatch.setattr(tokens._Token, "signed_by", fail)
    assert await accepts(check, token)
