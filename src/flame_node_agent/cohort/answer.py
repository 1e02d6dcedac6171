"""What may leave."""

from __future__ import annotations

from dataclasses import dataclass

from flame_node_agent.wire.data_access import Statistic


@dataclass(frozen=True)
class CohortAnswer:
    """The numbers of an answer to POST /cohort, after disclosure control."""

    record_count: int
    data: tuple[Statistic, ...]
    suppressed: bool


SUPPRESSED = CohortAnswer(record_count=0, data=(), suppressed=True)
"""The answer for no rows, for too few subjects, and for whatever else must not be told: always the same."""
