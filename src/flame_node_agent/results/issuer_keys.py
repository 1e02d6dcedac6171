"""The OIDC issuer's signing keys: kept through an outage, refreshed when they age or do not suffice.

Only what may verify a signature is used of a JWKS (RFC 7517): public RSA, EC and OKP keys that are not meant
for something else. Symmetric keys are never used, whatever the document says.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass

import structlog
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

from flame_node_agent.errors import IssuerUnavailable, NodeError
from flame_node_agent.telemetry import metrics

log = structlog.get_logger(__name__)

FetchJwks = Callable[[], Awaitable[Mapping[str, object]]]
"""Gives the issuer's JWKS document; raises NodeError, OSError or ValueError when it cannot be had."""

FETCH_SECONDS = 5.0
PAUSE_SECONDS = 10.0
"""Least time between two fetches that a request or an outage may cause."""

MIN_RSA_BITS = 2048
"""RFC 7518, section 3.3."""

PublicKey = RSAKey | ECKey | OKPKey
_KINDS: dict[str, type[RSAKey] | type[ECKey] | type[OKPKey]] = {"RSA": RSAKey, "EC": ECKey, "OKP": OKPKey}


@dataclass(frozen=True)
class SigningKey:
    """One key of the issuer, and the algorithms of those allowed that it may be used with."""

    kid: str | None
    algorithms: frozenset[str]
    key: PublicKey


@dataclass(frozen=True)
class KeyRing:
    """The issuer's keys at one time; ``fingerprint`` differs whenever a key does."""

    keys: tuple[SigningKey, ...]
    fingerprint: bytes

    def knows(self, kid: str) -> bool:
        """Whether a key has this id."""
        return any(key.kid == kid for key in self.keys)

    def candidates(self, algorithm: str, kid: str | None) -> Iterable[PublicKey]:
        """Keys that may have made a signature; without a ``kid`` in the token, all that fit the algorithm."""
        return (
            key.key for key in self.keys if algorithm in key.algorithms and (kid is None or key.kid == kid)
        )


class IssuerKeys:
    """A cache of the key ring. One fetch runs at a time, whoever wants it."""

    def __init__(
        self,
        fetch: FetchJwks,
        *,
        algorithms: Iterable[str],
        refresh_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._fetch = fetch
        self._algorithms = frozenset(algorithms)
        self._refresh_seconds = refresh_seconds
        self._clock = clock
        self._ring: KeyRing | None = None
        self._fetched_at = float("-inf")
        self._attempted_at = float("-inf")
        self._demanded_at = float("-inf")
        self._running: asyncio.Task[None] | None = None

    async def current(self) -> KeyRing:
        """Give the known keys; old ones are refreshed behind the back of the request.

        Raises:
            IssuerUnavailable: no keys are known and none could be fetched.
        """
        if self._ring is None:
            await self._refreshed()
            if self._ring is None:
                raise IssuerUnavailable("no signing keys of the issuer are known")
        elif (
            self._clock() - self._fetched_at >= self._refresh_seconds
            and self._clock() - self._attempted_at >= PAUSE_SECONDS
        ):
            self._begin()
        return self._ring

    async def knowing(self, kid: str) -> KeyRing:
        """Give the known keys after one more look at the issuer if none has this id.

        Tokens with made-up ids cannot make the node flood the issuer: there is a pause between two such
        looks.
        """
        ring = await self.current()
        if ring.knows(kid):
            return ring
        if self._running is None:
            if self._clock() - self._demanded_at < PAUSE_SECONDS:
                return ring
            self._demanded_at = self._clock()
        await self._refreshed()
        return self._ring or ring

    async def close(self) -> None:
        """Stop a fetch that is still running."""
        if self._running is not None:
            self._running.cancel()
            with suppress(asyncio.CancelledError):
                await self._running

    async def _refreshed(self) -> None:
        # A request that goes away must not take the fetch of the others with it.
        await asyncio.shield(self._begin())

    def _begin(self) -> asyncio.Task[None]:
        if self._running is None:
            self._running = asyncio.create_task(self._refresh())
        return self._running

    async def _refresh(self) -> None:
        self._attempted_at = self._clock()
        try:
            async with asyncio.timeout(FETCH_SECONDS):
                document = await self._fetch()
            ring = key_ring(document, self._algorithms)
        except (NodeError, OSError, ValueError, TimeoutError) as error:
            metrics.JWKS_REFRESHES.labels("error").inc()
            log.warning("jwks.fetch_failed", error=repr(error), keys_known=self._ring is not None)
        else:
            metrics.JWKS_REFRESHES.labels("ok").inc()
            if self._ring is None or self._ring.fingerprint != ring.fingerprint:
                log.info("jwks.changed", keys=len(ring.keys))
                self._ring = ring
            self._fetched_at = self._clock()
        finally:
            self._running = None


def key_ring(document: Mapping[str, object], algorithms: frozenset[str]) -> KeyRing:
    """Take the usable keys out of a JWKS document.

    Raises:
        IssuerUnavailable: it is no JWKS.
    """
    listed = document.get("keys") if isinstance(document, Mapping) else None
    if not isinstance(listed, list):
        raise IssuerUnavailable("the issuer's answer is no JWKS: it has no list of keys")
    keys = tuple(key for entry in listed if (key := _signing_key(entry, algorithms)) is not None)
    described = [(key.kid, sorted(key.algorithms), key.key.thumbprint()) for key in keys]
    return KeyRing(keys, hashlib.sha256(json.dumps(described).encode()).digest())


def _signing_key(entry: object, algorithms: frozenset[str]) -> SigningKey | None:
    if not isinstance(entry, dict):
        return None
    kind = _KINDS.get(str(entry.get("kty")))
    operations, kid = entry.get("key_ops", ["verify"]), entry.get("kid")
    if kind is None or entry.get("use", "sig") != "sig" or not isinstance(kid, str | None):
        return None
    if not isinstance(operations, list) or "verify" not in operations:
        return None
    try:
        # Public parts only, and none of the parameters that could make the key mean something else.
        public = {name: entry[name] for name in ("kty", "n", "e", "crv", "x", "y") if name in entry}
        key = kind.import_key(public)
        raw = key.public_key
    except (JoseError, ValueError, TypeError, KeyError) as error:
        log.warning("jwks.key_ignored", kid=kid, error=repr(error))
        return None
    if isinstance(raw, RSAPublicKey) and raw.key_size < MIN_RSA_BITS:
        log.warning("jwks.key_ignored", kid=kid, error=f"RSA with {raw.key_size} bits")
        return None
    meant_for = {entry["alg"]} if isinstance(entry.get("alg"), str) else algorithms
    usable = frozenset(name for name in algorithms & meant_for if _fits(name, key))
    return SigningKey(kid, usable, key) if usable else None


def _fits(algorithm: str, key: PublicKey) -> bool:
    try:
        JWSRegistry.algorithms[algorithm].check_key(key)
    except JoseError:
        return False
    return algorithm != "EdDSA" or key.get("crv") in {"Ed25519", "Ed448"}
