"""Uploads that a request waits for: delivered within a deadline, or taken back."""

from __future__ import annotations

import asyncio
from uuid import UUID

import structlog

from flame_node_agent.agent.delivery import Delivery
from flame_node_agent.agent.leases import Leases
from flame_node_agent.errors import DatabaseUnavailable, LeaseLost
from flame_node_agent.hub.retry import with_retries
from flame_node_agent.stores.outbox import Outbox
from flame_node_agent.stores.uploads import NewUpload, Recipient, Upload, UploadState

log = structlog.get_logger(__name__)


class Sending:
    """Delivers while the caller waits."""

    def __init__(self, delivery: Delivery, outbox: Outbox, leases: Leases) -> None:
        self._delivery = delivery
        self._outbox = outbox
        self._leases = leases

    async def send_now(self, new: NewUpload, *, recipient: Recipient | None, deadline: float) -> UUID:
        """Bring a stored object to the hub within ``deadline`` seconds and give the hub's id of the file.

        A failure, a cancelled request and the death of this process all end the same way: the row is retracted,
        and nothing is left at either side.

        Raises:
            HubError, ObjectStoreError, DatabaseUnavailable, SealingError, LeaseLost: it was not delivered.
        """
        upload = await self._outbox.begin(new, recipient)
        assert upload.lease_token is not None
        began = False

        async def attempt() -> None:
            nonlocal upload, began
            if began:
                # What the last attempt noted before it failed decides where this one looks first.
                upload = await self._current(upload)
            began = True
            async for step in self._delivery.advance(upload):
                upload = step

        try:
            with self._leases.hold(upload.lease_token):
                self._delivery.source(upload)
                await with_retries(attempt, deadline=deadline, what="intermediate")
        except LeaseLost:
            if not await self._was_delivered(upload):
                raise
        except BaseException as error:
            delivered = await asyncio.shield(self._retract(upload, error))
            if not delivered or not isinstance(error, Exception):
                raise  # of a cancelled request nobody is left to be told
        assert upload.hub_file_id is not None
        return upload.hub_file_id

    async def _current(self, upload: Upload) -> Upload:
        """The row as it is now; LeaseLost when it is not this request's any more."""
        row = await self._outbox.find(upload.upload_id)
        if row is None or row.lease_token != upload.lease_token:
            raise LeaseLost(str(upload.upload_id))
        return row

    async def _was_delivered(self, upload: Upload) -> bool:
        """The last commit whose answer was lost, or met the deadline, looks like a lost lease; the row knows better."""
        row = await self._outbox.find(upload.upload_id)
        return row is not None and row.state is UploadState.DELIVERED

    async def _retract(self, upload: Upload, error: BaseException) -> bool:
        """Leave the upload to the worker, to be taken back; True if it turns out to be delivered, and so stays."""
        try:
            try:
                await self._outbox.retract(upload, f"{type(error).__name__}: {error}")
            except LeaseLost:
                if not await self._was_delivered(upload):
                    raise
                return True
        except (DatabaseUnavailable, LeaseLost) as failure:
            # The lease will lapse, and whoever claims the row then retracts it.
            log.warning("upload.retract_postponed", upload=str(upload.upload_id), error=repr(failure))
        return False
