"""The outbox loop: claims what is due and delivers it, a few at a time, for as long as it takes."""

from __future__ import annotations

import asyncio

import structlog

from flame_node_agent.agent.claiming import HAND_BACK_SECONDS, ClaimingLoop
from flame_node_agent.agent.delivery import Delivery
from flame_node_agent.agent.leases import Leases
from flame_node_agent.agent.wake import backoff
from flame_node_agent.config.outbox import OutboxSettings
from flame_node_agent.errors import (
    DatabaseUnavailable,
    HubRefused,
    HubUnavailable,
    LeaseLost,
    NoBucket,
    ObjectDamaged,
    ObjectNotFound,
    SealingError,
    is_retryable,
)
from flame_node_agent.stores.outbox import Outbox
from flame_node_agent.stores.uploads import Upload
from flame_node_agent.telemetry import metrics

log = structlog.get_logger(__name__)

FINAL_FAILURES = (HubRefused, NoBucket, SealingError, ObjectNotFound, ObjectDamaged)
LONGEST_WISH_SECONDS = 3600.0


class Worker:
    """Runs uploads in the background."""

    def __init__(self, outbox: Outbox, delivery: Delivery, leases: Leases, settings: OutboxSettings) -> None:
        self._outbox = outbox
        self._delivery = delivery
        self._leases = leases
        self._settings = settings
        self._loop = ClaimingLoop[Upload](
            "outbox",
            room=lambda: settings.parallel_uploads - len(self._loop.running),
            claim=outbox.claim,
            work=self._work,
            hand_back=outbox.hand_back,
            look_seconds=settings.poll_interval_seconds,
        )

    def nudge(self) -> None:
        """Something is due: look now instead of at the next interval."""
        self._loop.nudge()

    async def run(self) -> None:
        """Claim and deliver until :meth:`stop`."""
        await self._loop.run()

    async def stop(self, grace: float) -> None:
        """Claim no more; let what runs finish for ``grace`` seconds, then hand the rest back."""
        await self._loop.stop(grace)

    async def _work(self, upload: Upload) -> None:
        assert upload.lease_token is not None
        try:
            with self._leases.hold(upload.lease_token):
                try:
                    async for step in self._delivery.advance(upload):
                        upload = step
                except asyncio.CancelledError:
                    if self._loop.stopping:
                        async with asyncio.timeout(HAND_BACK_SECONDS):
                            await self._outbox.hand_back(upload)
                    raise
                except LeaseLost:
                    raise
                except FINAL_FAILURES as error:
                    await self._park(upload, error)
                except Exception as error:  # noqa: BLE001 - the edge of a loop: a defect must not drop a result
                    await self._postpone(upload, error)
        except LeaseLost:
            log.warning("upload.lease_lost", upload=str(upload.upload_id))
        except (DatabaseUnavailable, TimeoutError) as error:
            # The lease will lapse, and the row is claimed again.
            log.warning("upload.left_to_lease", upload=str(upload.upload_id), error=repr(error))

    async def _park(self, upload: Upload, error: Exception) -> None:
        reason = f"{type(error).__name__}: {error}"
        await self._outbox.mark_failed(upload, reason)
        metrics.UPLOADS_FAILED.labels(upload.kind).inc()
        log.error(
            "upload.failed", upload=str(upload.upload_id), analysis=str(upload.analysis_id), reason=reason
        )

    async def _postpone(self, upload: Upload, error: Exception) -> None:
        seconds = self.backoff(upload.attempts)
        if isinstance(error, HubUnavailable) and error.retry_after is not None:
            seconds = max(seconds, min(error.retry_after, LONGEST_WISH_SECONDS))
        if is_retryable(error):
            log.warning(
                "upload.postponed",
                upload=str(upload.upload_id),
                attempts=upload.attempts,
                retry_in_seconds=round(seconds, 1),
                reason=str(error),
            )
        else:
            log.error("loop.failed", loop="upload", upload=str(upload.upload_id), exc_info=error)
            metrics.LOOP_ERRORS.labels("upload").inc()
        metrics.RETRIES.labels("upload").inc()
        await self._outbox.postpone(upload, seconds=seconds, reason=f"{type(error).__name__}: {error}")

    def backoff(self, attempts: int) -> float:
        """Seconds until the next attempt."""
        return backoff(
            attempts, base=self._settings.backoff_base_seconds, cap=self._settings.backoff_cap_seconds
        )
