"""The other node that an intermediate result is sealed for, or that has sealed it."""

from __future__ import annotations

from flame_node_agent.errors import Refused
from flame_node_agent.hub.retry import with_retries
from flame_node_agent.results.identifiers import as_uuid
from flame_node_agent.results.ports import HubCore
from flame_node_agent.stores.uploads import Recipient
from flame_node_agent.wire.hub import Node


class RemoteNodes:
    """Asks the hub for nodes and their public keys."""

    def __init__(self, core: HubCore, *, deadline: float) -> None:
        """``deadline`` is how many seconds the hub may be asked."""
        self._core = core
        self._deadline = deadline

    async def node(self, node_id: str) -> Node:
        """Find a node that has a public key.

        Raises:
            Refused: 404 for a node that the hub does not have, 400 for one without a key.
            HubError: the hub cannot be asked.
        """
        known = as_uuid(node_id)
        node = None
        if known is not None:
            node = await with_retries(
                lambda: self._core.get_node(known), deadline=self._deadline, what="node"
            )
        if node is None:
            raise Refused(404, f"Remote node with ID {node_id} does not exist.")
        if node.public_key_hex is None:
            raise Refused(400, f"Remote node with ID {node_id} does not provide a public key")
        return node

    async def recipient(self, node_id: str) -> Recipient:
        """Find the node that a file is to be sealed for; errors as in :meth:`node`."""
        node = await self.node(node_id)
        assert node.public_key_hex is not None
        return Recipient(node.id, node.public_key_hex)


def key_refused(node_id: str) -> Refused:
    """Say that a node's key is of no use here."""
    return Refused(
        400, f"The public key of remote node with ID {node_id} is not a valid EC key on this node's curve"
    )
