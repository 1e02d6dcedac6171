"""What this agent needs to accept results, and whether it is there."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from flame_node_agent.errors import NodeError
from flame_node_agent.stores.database import Database
from flame_node_agent.stores.objects import ObjectStore

CHECK_SECONDS = 3.0


class Readiness:
    """The hub is not among the needs: results are accepted while it is away."""

    def __init__(
        self,
        database: Database,
        objects: ObjectStore,
        signing_keys: Callable[[], Awaitable[object]] | None,
    ) -> None:
        """Without ``signing_keys`` the agent needs none, because it does not check signatures."""
        self._checks: dict[str, Callable[[], Awaitable[object]]] = {
            "database": database.check,
            "object_store": objects.check,
        }
        if signing_keys is not None:
            self._checks["signing_keys"] = signing_keys

    async def check(self) -> dict[str, str]:
        """Name what is missing, each with the reason; empty when this agent is ready."""
        reasons = await asyncio.gather(*(self._reason(check) for check in self._checks.values()))
        return {name: reason for name, reason in zip(self._checks, reasons, strict=True) if reason}

    @staticmethod
    async def _reason(check: Callable[[], Awaitable[object]]) -> str:
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                await check()
        except TimeoutError:
            return f"no answer within {CHECK_SECONDS:g} s"
        except NodeError as error:
            return str(error) or type(error).__name__
        return ""
