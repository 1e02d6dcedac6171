"""Every way the agent can fail, on one page.

    NodeError
    ├── SettingsError            the start ends with exit code 2, one line per variable
    ├── Refused                  a request is answered with a documented 4xx/5xx and ``detail``
    │   └── Busy                 503 with Retry-After: the same request will succeed later
    ├── HubError
    │   ├── HubUnavailable       nobody answered, or "later": connection, time-out, 429, 502, 503, 504
    │   ├── HubUnexpected        an answer that makes no sense now: other 5xx, undecodable body
    │   ├── HubCredentialsRefused  the hub does not accept this node's credentials
    │   └── HubRefused           a final no: the other 4xx
    ├── NoBucket                 the hub says that an analysis has no bucket for such a file
    ├── ObjectStoreError
    │   ├── ObjectNotFound
    │   ├── ObjectDamaged        the store gives other bytes than it was given
    │   └── ObjectStoreUnavailable
    ├── DatabaseUnavailable
    ├── FilenameConflict         a local result has another file name already
    ├── IssuerUnavailable        no signing keys of the OIDC issuer could be had
    ├── TokenRejected            the bearer token does not prove an analysis
    ├── SealingError
    │   ├── PeerKeyInvalid       the other node's public key is no EC key on this node's curve
    │   ├── Unsealable           nothing sealed by that node for this one, or damaged
    │   └── TooLargeToSeal       beyond what one AES-GCM message may hold
    ├── EnvelopeError
    │   ├── InvalidEnvelope      no envelope, or none of the version that this node reads
    │   │   └── UnknownKey       made with a key that this node does not hold
    │   └── EnvelopeRejected     made with another key or for another purpose, or changed on the way
    ├── ServiceFailed            data-access-api or imaging-api has refused a task's work
    │   └── ServiceAway          it does not answer, or says that it will later
    ├── LeaseLost                another agent took the row over; stop touching it
    ├── KitError                 the kit file of the trust cannot be read, or not be changed as asked
    ├── RowsOutOfOrder           the columns of one query came in different orders: no table can be made of them
    └── LedgerBroken             the egress ledger's hash chain does not hold

Retryable are HubUnavailable, HubUnexpected, HubCredentialsRefused, ObjectStoreUnavailable,
DatabaseUnavailable, IssuerUnavailable and ServiceAway: nothing about the work itself is wrong (see
:func:`is_retryable`).
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

RETRY_AFTER_SECONDS = 5.0


class NodeError(Exception):
    """Base of all failures the agent knows by name."""


@dataclass(frozen=True)
class SettingsProblem:
    """One wrong, missing or contradictory variable."""

    variable: str
    problem: str

    def __str__(self) -> str:
        return f"{self.variable}: {self.problem}"


class SettingsError(NodeError):
    """The settings cannot be used; carries one problem per variable."""

    def __init__(self, problems: list[SettingsProblem]) -> None:
        self.problems = problems
        super().__init__("\n".join(str(problem) for problem in problems))


class Refused(NodeError):
    """A request that is answered with ``status`` and ``{"detail": detail}``."""

    def __init__(self, status: int, detail: str, *, headers: dict[str, str] | None = None) -> None:
        self.status = status
        self.detail = detail
        self.headers = headers or {}
        super().__init__(f"{status}: {detail}")


class Busy(Refused):
    """503 with Retry-After: something this request needs is away for the moment."""

    def __init__(self, detail: str, *, retry_after: float | None = None) -> None:
        """``retry_after`` is in seconds; without it the client is told the usual pause."""
        seconds = max(1, round(retry_after or RETRY_AFTER_SECONDS))
        super().__init__(503, detail, headers={"Retry-After": str(seconds)})


class HubError(NodeError):
    """Base of everything that goes wrong between this node and the hub."""


class HubUnavailable(HubError):
    """The hub could not be reached, or said "later". ``retry_after`` is the hub's own wish in seconds."""

    def __init__(self, reason: str, *, retry_after: float | None = None) -> None:
        self.retry_after = retry_after
        super().__init__(reason)


class HubUnexpected(HubError):
    """The hub answered with nothing usable. ``status`` is None when the body could not be decoded."""

    def __init__(self, status: int | None, message: str = "") -> None:
        self.status = status
        self.message = message
        super().__init__(f"unexpected answer ({status or 'unknown'}){': ' + message if message else ''}")


class HubCredentialsRefused(HubError):
    """The hub refuses this node's credentials, also after a fresh token."""


class HubRefused(HubError):
    """A final no of the hub: a 4xx that a repeat would not change."""

    def __init__(self, status: int, code: str, message: str) -> None:
        self.status = status
        self.code = code
        super().__init__(f"{status} {code}: {message}")


class NoBucket(NodeError):
    """The hub says that the analysis has no bucket for files of this kind."""


class ObjectStoreError(NodeError):
    """Base of everything that goes wrong between this node and its S3 store."""


class ObjectNotFound(ObjectStoreError):
    """No object has this key."""


class ObjectDamaged(ObjectStoreError):
    """The store gives other bytes than it was given; they are not sent."""


class ObjectStoreUnavailable(ObjectStoreError):
    """The store could not be reached or did not accept the request."""


class DatabaseUnavailable(NodeError):
    """PostgreSQL could not be reached within the time a request may wait."""


class FilenameConflict(NodeError):
    """A local result was tagged under another file name before; the text is the FLAME Node Storage Service's."""

    def __init__(self, object_id: UUID, analysis_id: UUID, filename: str) -> None:
        super().__init__(
            f"The object ID {object_id} is already persisted for analysis {analysis_id}, but with a different"
            f" filename than {filename}."
        )


class IssuerUnavailable(NodeError):
    """The OIDC issuer's signing keys could not be fetched, and none are known."""


class TokenRejected(NodeError):
    """The bearer token does not prove an analysis; the reason is for the log, never for the caller."""


class SealingError(NodeError):
    """Base of what can go wrong when files are sealed for, or by, another node."""


class PeerKeyInvalid(SealingError):
    """The peer's public key is not a valid EC key on this node's curve."""


class Unsealable(SealingError):
    """The bytes were not sealed by that node for this one, or were damaged on the way."""


class TooLargeToSeal(SealingError):
    """More bytes than one AES-GCM message may hold (NIST SP 800-38D: 2^39 - 256 bits)."""


class EnvelopeError(NodeError):
    """Base of what can be wrong with an envelope of the hub or of another service of this trust."""


class InvalidEnvelope(EnvelopeError):
    """Not in the form of an envelope; the texts are those of FLIP's trust-api."""


class UnknownKey(InvalidEnvelope):
    """The envelope names a key that this node does not hold."""


class EnvelopeRejected(EnvelopeError):
    """The envelope does not open: another key, another purpose, or bytes that were changed."""


class ServiceFailed(NodeError):
    """A service of this trust has not done what a task asked of it; ``status`` is 502 where nothing sensible came."""

    def __init__(self, status: int, detail: str) -> None:
        self.status = status
        self.detail = detail
        super().__init__(f"{status}: {detail}")


class ServiceAway(ServiceFailed):
    """A service of this trust does not answer, or says that it will later."""


class KitError(NodeError):
    """The kit file cannot be read or written, or not be changed as asked; the reason holds none of its values."""


class LeaseLost(NodeError):
    """Another agent has taken the row over."""


class RowsOutOfOrder(NodeError):
    """The OMOP database gave the columns of one query in different orders: no table can be made of them."""


class LedgerBroken(NodeError):
    """A row of the egress ledger does not fit the hash chain."""


def is_retryable(error: BaseException) -> bool:
    """Whether the same attempt may succeed later without anybody changing the work itself."""
    return isinstance(
        error,
        HubUnavailable
        | HubUnexpected
        | HubCredentialsRefused
        | ObjectStoreUnavailable
        | DatabaseUnavailable
        | IssuerUnavailable
        | ServiceAway,
    )
