"""What the result endpoint allows, and how long it makes an analysis wait."""

from __future__ import annotations

from pydantic import Field

from flame_node_agent.config.values import Group, Limit, Seconds


class ResultSettings(Group):
    """The result endpoint: limits and deadlines of requests."""

    max_upload_bytes: Limit = Field(
        default=0,
        description="Largest file in bytes that an analysis may upload; a larger one is refused with 413.",
    )
    intermediate_deadline_seconds: Seconds = Field(
        default=50,
        description="Time in which an intermediate result must have reached the hub; "
        "after it the analysis gets 503. Keep it below the 60 seconds after which FLAME's nginx gives up.",
    )
    lookup_deadline_seconds: Seconds = Field(
        default=3,
        description="Time in which the hub must have answered a question about an analysis; after it, "
        "what is known from before is used, or the analysis gets 503.",
    )
    knowledge_ttl_seconds: Seconds = Field(
        default=300,
        description="Age at which the agent asks the hub anew about the project and buckets of an analysis.",
    )
