"""The Central Hub as the agent sees it: core and storage, one session each, one token for both."""

from __future__ import annotations

import re

from flame_node_agent.config.hub import HubAuth, IdentityAuth
from flame_node_agent.config.settings import Settings
from flame_node_agent.hub.auth import TokenSource
from flame_node_agent.hub.core import HubCore
from flame_node_agent.hub.session import HubSession
from flame_node_agent.hub.storage import HubStorage
from flame_node_agent.hub.transport import Transport

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


class Hub:
    """Both services of the hub; made once per process."""

    def __init__(self, core: HubCore, storage: HubStorage, tokens: TokenSource) -> None:
        self.core = core
        self.storage = storage
        self._tokens = tokens

    @classmethod
    def open(cls, settings: Settings, transport: Transport) -> Hub:
        """Make the clients; nothing is sent before they are used. The transport stays its maker's to close."""
        hub = settings.hub
        tokens = TokenSource(transport.client(str(hub.auth_base_url)), hub.auth)
        core = HubSession(transport.client(str(hub.core_base_url)), tokens, "core")
        storage = HubSession(transport.client(str(hub.storage_base_url)), tokens, "storage")
        return cls(HubCore(core), HubStorage(storage, actor_id=_actor_id(hub.auth)), tokens)

    async def aclose(self) -> None:
        """Stop what runs in the background."""
        await self._tokens.aclose()


def _actor_id(auth: HubAuth) -> str | None:
    """Under which id the hub files what this node sends; robots and clients are told theirs, users are not."""
    return auth.id if isinstance(auth, IdentityAuth) and _UUID.fullmatch(auth.id) else None
