"""From a request's body into the object store, while what the hub says of the caller is still on its way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from flame_node_agent.errors import NodeError
from flame_node_agent.results.form import FileContent, FilePart, Form
from flame_node_agent.results.ports import StagedObject
from flame_node_agent.stores.objects import StoredObject

HEAD_START_SECONDS = 0.25
"""How long the first byte waits for the permission, so that a plain no costs no write to the store."""


@asynccontextmanager
async def alongside[T](asked: Coroutine[Any, Any, T]) -> AsyncIterator[asyncio.Task[T]]:
    """Run ``asked`` while the block runs, and not longer."""
    task = asyncio.create_task(asked)
    try:
        yield task
    finally:
        task.cancel()
        # Also takes note of a failure that nobody has waited for.
        await asyncio.gather(task, return_exceptions=True)


async def head_start(form: Form, permission: asyncio.Task[Any]) -> None:
    """Give ``permission`` a moment to be there before anything is stored.

    Raises:
        RequestValidationError: it is refused, but the form lacks something, which is told first.
        NodeError: it is refused.
    """
    await asyncio.wait({permission}, timeout=HEAD_START_SECONDS)
    if _refused(permission):
        await form.finish()
        form.check()
        permission.result()


async def store[T](
    form: Form, file: FilePart, staged: StagedObject, permission: asyncio.Task[T]
) -> tuple[StoredObject, T]:
    """Store the form's file and give what ``permission`` gives; its failure ends the storing at once.

    What is wrong with the form is told before what is wrong with the caller, because the FLAME Node Result
    Service reads the whole form first.

    Raises:
        RequestValidationError: the form lacks something.
        NodeError: the permission's failure, or the store's.
    """
    try:
        stored = await staged.store(_Permitted(form.content(), permission), file.content_type)
    except NodeError:
        if not _refused(permission):
            raise
        await form.finish()
        form.check()
        raise
    await form.finish()
    form.check()
    return stored, await permission


class _Permitted:
    """The file's content, as long as the permission has not failed."""

    def __init__(self, content: FileContent, permission: asyncio.Task[Any]) -> None:
        self._content = content
        self._permission = permission

    def __aiter__(self) -> _Permitted:
        return self

    async def __anext__(self) -> bytes:
        if self._permission.done():
            self._permission.result()
        return await anext(self._content)


def _refused(permission: asyncio.Task[Any]) -> bool:
    return permission.done() and not permission.cancelled() and permission.exception() is not None
