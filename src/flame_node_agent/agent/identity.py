"""Whether the hub takes this node for the trust that it is meant to be."""

from __future__ import annotations

import asyncio
from uuid import UUID

import structlog

from flame_node_agent.wire.tasks import Identity

log = structlog.get_logger(__name__)

EXIT_CODE = 2
"""With which the agent ends when it is taken for another trust (FLIP trust-api)."""


class IdentityCheck:
    """Looks at every identity that the hub names, in answers to heartbeats and to questions for tasks."""

    def __init__(self, expected: UUID | None) -> None:
        """Without an expected id, whatever the hub says is only logged."""
        self._expected = expected
        self._last: Identity | None = None
        self.mismatch = asyncio.Event()
        """Set when this node must stop: tasks of another trust are none of its business."""

    def seen(self, identity: Identity | None) -> bool:
        """Say whether this node may go on; None is from a hub that names nobody, and changes nothing.

        Each change is checked and told, not the first identity alone.
        """
        if identity is not None and identity != self._last:
            self._last = identity
            if self._expected is None or _uuid(identity.trust_id) == self._expected:
                log.info("identity.confirmed", trust_id=identity.trust_id, trust_name=identity.trust_name)
            else:
                log.critical(
                    "identity.mismatch",
                    trust_id=identity.trust_id,
                    trust_name=identity.trust_name,
                    expected=str(self._expected),
                )
                self.mismatch.set()
        return not self.mismatch.is_set()


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
