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

    async def check(self) -> dict[str, str]:
        """Name what is missing, each with the reason; empty when this process is ready."""
        reasons = await asyncio.gather(*(self._reason(check) for check in self._checks.values()))
        return {name: reason for name, reason in zip(self._checks, reasons, strict=True) if reason}

    @staticmethod
    async def _reason(check: Callable[[], Awaitable[object]]) -> str:
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                await check()
        except TimeoutError:
            return f"no answer within {CHECK_SECONDS:g} s"
        except Refused as error:
            return error.detail
        except NodeError as error:
            return str(error) or type(error).__name__
        return ""
