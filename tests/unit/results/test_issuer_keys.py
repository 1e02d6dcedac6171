"""The issuer's keys: which are used, and when they are fetched."""

from __future__ import annotations

import asyncio

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from joserfc.errors import SecurityWarning
from joserfc.jwk import ECKey, OctKey
from joserfc.util import int_to_base64

from flame_node_agent.errors import IssuerUnavailable
from flame_node_agent.results import issuer_keys
from flame_node_agent.results.issuer_keys import PAUSE_SECONDS, IssuerKeys, KeyRing, key_ring
from tests.unit.results.issuer_double import KID, IssuerDouble, public, rsa_key

REFRESH_SECONDS = 300.0


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def issuer() -> IssuerDouble:
    return IssuerDouble()


@pytest.fixture
def keys(issuer: IssuerDouble, clock: Clock) -> IssuerKeys:
    return IssuerKeys(issuer.fetch, algorithms=["RS256"], refresh_seconds=REFRESH_SECONDS, clock=clock)


async def _settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


# Which keys are used


def _ring(*entries: object, algorithms: frozenset[str] = frozenset({"RS256", "ES256"})) -> KeyRing:
    return key_ring({"keys": list(entries)}, algorithms)


@pytest.mark.parametrize(
    "parameters",
    [
        {"use": "enc"},
        {"use": 7},
        {"key_ops": ["sign"]},
        {"key_ops": "verify"},
        {"key_ops": 7},
        {"alg": "RSA-OAEP"},
        {"alg": "HS256"},
        {"kid": 7},
        {"kty": "EC"},
        {"kty": "oct"},
        {"kty": None},
        {"n": "not base64!"},
        {"n": None},
        {"e": ""},
    ],
)
def test_key_that_is_not_for_signatures_is_ignored(parameters: dict[str, object]) -> None:
    assert _ring({**public(rsa_key()), **parameters}).keys == ()


@pytest.mark.parametrize("entry", [None, "key", [], 7, {}, {"kty": "RSA"}])
def test_entry_that_is_no_key_is_ignored_beside_good_ones(entry: object) -> None:
    assert [key.kid for key in _ring(entry, public(rsa_key())).keys] == [KID]


def test_symmetric_key_is_ignored() -> None:
    assert _ring(OctKey.generate_key(256).as_dict(private=True)).keys == ()


def test_short_rsa_key_is_ignored() -> None:
    numbers = rsa.generate_private_key(public_exponent=65537, key_size=1024).public_key().public_numbers()
    with pytest.warns(SecurityWarning):
        ring = _ring({"kty": "RSA", "e": "AQAB", "n": int_to_base64(numbers.n)})
    assert ring.keys == ()


def test_private_key_in_the_document_is_used_as_public_one() -> None:
    ring = _ring({**rsa_key().as_dict(private=True), "use": "sig"})
    assert not ring.keys[0].key.is_private


def test_key_without_use_and_id_is_used() -> None:
    entry = {name: value for name, value in public(rsa_key()).items() if name in {"kty", "n", "e"}}
    ring = _ring(entry)
    assert ring.keys[0].kid is None
    assert list(ring.candidates("RS256", None)) == [ring.keys[0].key]
    assert list(ring.candidates("RS256", KID)) == []


def test_curve_decides_the_algorithm() -> None:
    other = ECKey.generate_key("P-384", {"kid": "p384"})
    fitting = ECKey.generate_key("P-256", {"kid": "p256"})
    assert [key.kid for key in _ring(public(other), public(fitting)).keys] == ["p256"]


def test_same_keys_have_the_same_fingerprint() -> None:
    one, two = public(rsa_key()), public(rsa_key("other"))
    assert _ring(one).fingerprint == _ring(dict(reversed(one.items()))).fingerprint
    assert len({_ring(one).fingerprint, _ring(two).fingerprint, _ring(one, two).fingerprint}) == 3
    assert _ring(one).fingerprint != _ring({**one, "kid": "renamed"}).fingerprint


# When they are fetched


async def test_requests_at_the_same_time_share_one_fetch(keys: IssuerKeys, issuer: IssuerDouble) -> None:
    rings = await asyncio.gather(*(keys.current() for _ in range(20)))
    assert issuer.fetches == 1
    assert all(ring is rings[0] for ring in rings)


async def test_request_that_goes_away_leaves_the_fetch_to_the_others(
    issuer: IssuerDouble, clock: Clock
) -> None:
    go = asyncio.Event()

    async def slow() -> object:
        await go.wait()
        return await issuer.fetch()

    keys = IssuerKeys(slow, algorithms=["RS256"], refresh_seconds=REFRESH_SECONDS, clock=clock)  # type: ignore[arg-type]  # object is enough here
    first, second = asyncio.create_task(keys.current()), asyncio.create_task(keys.current())
    await _settle()
    first.cancel()
    go.set()
    assert (await second).knows(KID)
    assert issuer.fetches == 1


async def test_aged_keys_are_refreshed_behind_the_request(
    keys: IssuerKeys, issuer: IssuerDouble, clock: Clock
) -> None:
    old = await keys.current()
    issuer.keys = [public(rsa_key("new"))]
    clock.now += REFRESH_SECONDS - 1
    assert await keys.current() is old
    await _settle()
    assert issuer.fetches == 1
    clock.now += 1
    assert await keys.current() is old
    await _settle()
    assert issuer.fetches == 2
    assert (await keys.current()).knows("new")


async def test_aged_keys_stay_in_use_while_the_issuer_is_away(
    keys: IssuerKeys, issuer: IssuerDouble, clock: Clock
) -> None:
    old = await keys.current()
    issuer.away = True
    for _ in range(10):
        clock.now += REFRESH_SECONDS
        assert await keys.current() is old
        await _settle()
    assert issuer.fetches == 11


async def test_issuer_that_is_away_is_asked_now_and_then_only(
    keys: IssuerKeys, issuer: IssuerDouble, clock: Clock
) -> None:
    await keys.current()
    issuer.away = True
    clock.now += REFRESH_SECONDS
    for _ in range(30):
        await keys.current()
        await _settle()
        clock.now += 1
    assert issuer.fetches == 1 + 30 / PAUSE_SECONDS


async def test_unknown_key_id_causes_one_fetch_in_ten_seconds(
    keys: IssuerKeys, issuer: IssuerDouble, clock: Clock
) -> None:
    await keys.current()
    for number in range(30):
        await keys.knowing(f"made-up-{number}")
        clock.now += 1
    assert issuer.fetches == 1 + 30 / PAUSE_SECONDS


async def test_known_key_id_causes_no_fetch(keys: IssuerKeys, issuer: IssuerDouble) -> None:
    for _ in range(3):
        await keys.knowing(KID)
    assert issuer.fetches == 1


async def test_failed_refresh_keeps_the_keys(keys: IssuerKeys, issuer: IssuerDouble) -> None:
    await keys.current()
    issuer.document = {"error": "no keys today"}
    assert (await keys.knowing("unknown")).knows(KID)


async def test_emptied_jwks_is_believed(keys: IssuerKeys, issuer: IssuerDouble) -> None:
    await keys.current()
    issuer.keys = []
    assert not (await keys.knowing("unknown")).knows(KID)


async def test_hanging_issuer_is_given_up(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    monkeypatch.setattr(issuer_keys, "FETCH_SECONDS", 0.01)

    async def hang() -> dict[str, object]:
        await asyncio.Event().wait()
        raise AssertionError

    keys = IssuerKeys(hang, algorithms=["RS256"], refresh_seconds=REFRESH_SECONDS, clock=clock)
    with pytest.raises(IssuerUnavailable):
        await keys.current()


async def test_close_ends_a_running_fetch(clock: Clock) -> None:
    async def hang() -> dict[str, object]:
        await asyncio.Event().wait()
        raise AssertionError

    keys = IssuerKeys(hang, algorithms=["RS256"], refresh_seconds=REFRESH_SECONDS, clock=clock)
    waiting = asyncio.create_task(keys.current())
    await _settle()
    await keys.close()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await keys.close()
