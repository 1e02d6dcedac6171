"""What a process needs to do its work, and whether it is there."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from flame_node_agent.errors import NodeError, Refused

CHECK_SECONDS = 3.0


class Readiness:
    """The hub is not among the needs: results and tasks are kept while it is away."""

    def __init__(self, needs: Mapping[str, Callable[[], Awaitable[object]]]) -> None:
        """Each need has a name and a check that raises NodeError when it is away."""
        self._checks = dict(needs)
        self._left_behind: set[asyncio.Future[object]] = set()

    async def check(self) -> dict[str, str]:
        """Name what is missing, each with the reason; empty when this process is ready."""
        reasons = await asyncio.gather(*(self._reason(check) for check in self._checks.values()))
        return {name: reason for name, reason in zip(self._checks, reasons, strict=True) if reason}

    async def _reason(self, check: Callable[[], Awaitable[object]]) -> str:
        checking = asyncio.ensure_future(check())
        try:
            done, _ = await asyncio.wait({checking}, timeout=CHECK_SECONDS)
        finally:
            self._leave(checking)
        if not done:
            return f"no answer within {CHECK_SECONDS:g} s"
        try:
            checking.result()
        except Refused as error:
            return error.detail
        except NodeError as error:
            return str(error) or type(error).__name__
        return ""

    def _leave(self, checking: asyncio.Future[object]) -> None:
        """Wait no longer: psycopg needs ten seconds to give up a server that hangs, and whoever asks has three."""
        if not checking.done():
            checking.cancel()
            self._left_behind.add(checking)
            checking.add_done_callback(self._forget)

    def _forget(self, checking: asyncio.Future[object]) -> None:
        self._left_behind.discard(checking)
        if not checking.cancelled():
            checking.exception()  # nobody else asks, and asyncio would complain
