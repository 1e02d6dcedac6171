"""Many small changes, one transaction: whatever comes while a commit is under way goes into the next one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from uuid import UUID

from flame_node_agent.errors import DatabaseUnavailable

LARGEST_GROUP = 100


class GroupCommit[Item]:
    """Hands items to ``write`` in groups, and tells each caller whether its own was written.

    ``write`` gets items by their keys, writes all or nothing, and names the keys of those it has written. No timer is
    involved: a single item is written at once, and the busier the database, the larger the groups.
    """

    def __init__(self, write: Callable[[dict[UUID, Item]], Awaitable[set[UUID]]]) -> None:
        self._write = write
        self._waiting: list[tuple[UUID, Item, asyncio.Future[bool]]] = []
        self._writer: asyncio.Task[None] | None = None

    async def commit(self, key: UUID, item: Item) -> bool:
        """Write ``item`` with the next group; False when it was not among what was written.

        Raises what ``write`` raises. A caller that is cancelled may have been written or not.
        """
        written: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append((key, item, written))
        if self._writer is None:
            self._writer = asyncio.create_task(self._write_all(), name="group commit")
        return await written

    async def _write_all(self) -> None:
        try:
            while self._waiting:
                group, self._waiting = self._take()
                await self._write_group(group)
        finally:
            self._writer = None

    def _take(
        self,
    ) -> tuple[list[tuple[UUID, Item, asyncio.Future[bool]]], list[tuple[UUID, Item, asyncio.Future[bool]]]]:
        """The next group, in which no key stands twice, and what is left."""
        group: dict[UUID, tuple[UUID, Item, asyncio.Future[bool]]] = {}
        rest = []
        for each in self._waiting:
            if each[0] in group or len(group) == LARGEST_GROUP:
                rest.append(each)
            else:
                group[each[0]] = each
        return list(group.values()), rest

    async def _write_group(self, group: list[tuple[UUID, Item, asyncio.Future[bool]]]) -> None:
        try:
            written = await self._write({key: item for key, item, _ in group})
        except DatabaseUnavailable as error:
            _fail(group, error)
        except Exception as error:  # noqa: BLE001 - handed to the callers
            if len(group) == 1:
                _fail(group, error)
                return
            for each in group:  # so that one that cannot be written does not hold up the others
                await self._write_group([each])
        else:
            for key, _, answer in group:
                if not answer.done():
                    answer.set_result(key in written)


def _fail[Item](group: list[tuple[UUID, Item, asyncio.Future[bool]]], error: Exception) -> None:
    for _, _, answer in group:
        if not answer.done():
            answer.set_exception(error)
