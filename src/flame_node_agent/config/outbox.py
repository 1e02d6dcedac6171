"""How accepted results travel to the hub, and what is cleaned up after them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator

from flame_node_agent.config.values import Accepts, Count, Group, Limit, Seconds

Days = Annotated[float, Field(gt=0, allow_inf_nan=False), Accepts("a number of days above 0")]


class OutboxSettings(Group):
    """The outbox: uploads to the hub, their retries and their leases."""

    parallel_uploads: Count = Field(default=4, description="Files that one agent uploads at the same time.")
    bandwidth_bytes_per_second: Limit = Field(
        default=0, description="Bytes per second that all uploads of one agent together may use."
    )
    lease_seconds: Seconds = Field(
        default=20,
        description="Time after which another agent takes over an upload whose agent has died, or removes what "
        "it has left half-written. A living agent renews its leases long before.",
    )
    poll_interval_seconds: Seconds = Field(
        default=1, description="Pause between two looks for uploads that are due."
    )
    backoff_base_seconds: Seconds = Field(
        default=1,
        description="Longest pause before the first repeat of an upload; it doubles with each.",
    )
    backoff_cap_seconds: Annotated[
        Seconds, Accepts("a number of seconds above 0, not below OUTBOX__BACKOFF_BASE_SECONDS")
    ] = Field(
        default=60, description="Longest pause between two attempts, however often an upload has failed."
    )
    retention_days: Days = Field(
        default=7,
        description="Time for which delivered uploads stay visible before the janitor removes them. "
        "Failed ones stay until the operator decides.",
    )

    @field_validator("backoff_cap_seconds")
    @classmethod
    def _cap_is_not_below_base(cls, cap: float, info: ValidationInfo) -> float:
        if cap < info.data.get("backoff_base_seconds", 0):
            raise ValueError("is below OUTBOX__BACKOFF_BASE_SECONDS")
        return cap


class JanitorSettings(Group):
    """The janitor: how often it removes what nobody needs any more."""

    interval_seconds: Seconds = Field(default=300, description="Pause between two rounds of the janitor.")
