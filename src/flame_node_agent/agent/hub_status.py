"""What the hub tells about itself in its answers to heartbeats: its version, and which key it seals with."""

from __future__ import annotations

from collections.abc import Collection

import structlog

log = structlog.get_logger(__name__)


class HubStatus:
    """The last that is known; everything is None until the hub says it, and older hubs never do."""

    def __init__(self, own_fingerprints: Collection[str]) -> None:
        """``own_fingerprints`` are those of the keys that this trust opens envelopes with."""
        self._own = frozenset(own_fingerprints)
        self._told_of_mismatch = False
        self.hub_version: str | None = None
        self.hub_key_fingerprint: str | None = None
        self.hub_key_match: bool | None = None

    def record(self, hub_version: str | None, fingerprint: str | None) -> None:
        """Take note of an answer. A key that is not this trust's is logged once, until there was a right one again."""
        self.hub_version = hub_version
        self.hub_key_fingerprint = fingerprint
        self.hub_key_match = fingerprint.lower() in self._own if fingerprint and self._own else None
        if self.hub_key_match:
            self._told_of_mismatch = False
        elif self.hub_key_match is False and not self._told_of_mismatch:
            self._told_of_mismatch = True
            log.warning("hub.key_mismatch", hub_fingerprint=fingerprint, own_fingerprints=sorted(self._own))

    def forget(self) -> None:
        """Nothing is known any more, as the hub says no; a mismatch that was logged is not logged again."""
        self.hub_version = self.hub_key_fingerprint = self.hub_key_match = None
