"""How many tasks run at once, for how long, and how often the hub is asked and told."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator

from flame_node_agent.config.outbox import Days
from flame_node_agent.config.values import Accepts, Count, Group, Limit, Seconds

TASK_TYPES = (
    "cohort_query",
    "persist_cohort",
    "create_imaging",
    "delete_imaging",
    "get_imaging_status",
    "reimport_studies",
    "update_user_profile",
)
"""Every type of task that a hub can ask for (FLIP trust-api, ``task_handlers``)."""

COHORT_TYPES = ("cohort_query", "persist_cohort")
"""Types whose time-out is COHORT_QUERY_TIMEOUT_SECONDS (FLIP trust-api)."""


def _by_type(types: tuple[str, ...], number: Callable[[str], float]) -> BeforeValidator:
    """Read "type=number,type=number"; ``number`` raises ValueError for what is none."""

    def read(value: Any) -> Any:
        if not isinstance(value, str):
            return value
        found: dict[str, float] = {}
        for entry in value.split(","):
            name, equals, text = (part.strip() for part in entry.partition("="))
            if not equals:
                raise ValueError("is not a list of type=number")
            if name in TASK_TYPES and name not in types:
                raise ValueError("names a type whose time-out is COHORT_QUERY_TIMEOUT_SECONDS")
            if name not in types:
                raise ValueError("names an unknown type of task")
            if name in found:
                raise ValueError("names the same type twice")
            found[name] = number(text)
        return found

    return BeforeValidator(read)


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) >= 1):
        raise ValueError("gives a type something else than a whole number from 1 up")
    return int(text)


def _seconds(text: str) -> float:
    wrong = ValueError("gives a type something else than a number of seconds above 0")
    try:
        seconds = float(text)
    except ValueError:
        raise wrong from None
    if not (seconds > 0 and math.isfinite(seconds)):
        raise wrong
    return seconds


_TIMED_TYPES = tuple(name for name in TASK_TYPES if name not in COHORT_TYPES)

ParallelByType = Annotated[
    Mapping[str, int],
    _by_type(TASK_TYPES, _count),
    Accepts(
        f"type=number separated by commas, as in cohort_query=4,create_imaging=1; types are {', '.join(TASK_TYPES)}"
    ),
]
TimeoutByType = Annotated[
    Mapping[str, float],
    _by_type(_TIMED_TYPES, _seconds),
    Accepts(
        f"type=seconds separated by commas, as in create_imaging=1800; types are {', '.join(_TIMED_TYPES)}"
    ),
]


class TaskLoopSettings(Group):
    """Tasks: how many run at once, for how long, and how often the hub is asked and told."""

    parallel: Count = Field(default=8, description="Tasks that one agent runs at the same time.")
    parallel_by_type: ParallelByType = Field(
        default={},
        description="How many of these may be of one type. A type that is not named may have half of TASKS__PARALLEL; "
        "`update_user_profile` one, so that no change of a user overtakes a later one.",
    )
    timeout_seconds: Seconds = Field(
        default=900,
        description="Time after which a task is given up and reported as failed. Cohort queries have "
        "COHORT_QUERY_TIMEOUT_SECONDS instead.",
    )
    timeout_by_type: TimeoutByType = Field(default={}, description="Other times for single types.")
    service_patience_seconds: Annotated[
        float, Field(ge=0, allow_inf_nan=False), Accepts("a number of seconds; 0 means not at all")
    ] = Field(
        default=60,
        description="How long tasks wait for data-access-api or imaging-api when it is away, or when the database "
        "behind it is, before they are reported as failed.",
    )
    lease_seconds: Seconds = Field(
        default=20,
        description="Time after which another agent takes over a task whose agent has died. "
        "A living agent renews its leases long before.",
    )
    polls_per_minute: Limit = Field(
        default=28,
        description="How often one agent asks the hub for tasks at most. FLIP hubs refuse more than 30 a minute.",
    )
    reports_per_minute: Limit = Field(
        default=55,
        description="How many results one agent reports at most. FLIP hubs refuse more than 60 a minute.",
    )
    parallel_reports: Count = Field(default=8, description="Results that one agent reports at the same time.")
    poll_backoff_cap_seconds: Seconds = Field(
        default=60, description="Longest pause between two polls while the hub does not answer."
    )
    report_backoff_base_seconds: Seconds = Field(
        default=2, description="Longest pause before the first repeat of a report; it doubles with each."
    )
    report_backoff_cap_seconds: Annotated[
        Seconds, Accepts("a number of seconds above 0, not below TASKS__REPORT_BACKOFF_BASE_SECONDS")
    ] = Field(
        default=300,
        description="Longest pause between two reports of one result, however often they have failed.",
    )
    retention_days: Days = Field(
        default=30,
        description="Time for which a reported task stays in the journal, so that a hub that asks again gets the same "
        "answer.",
    )

    @field_validator("report_backoff_cap_seconds")
    @classmethod
    def _cap_is_not_below_base(cls, cap: float, info: ValidationInfo) -> float:
        if cap < info.data.get("report_backoff_base_seconds", 0):
            raise ValueError("is below TASKS__REPORT_BACKOFF_BASE_SECONDS")
        return cap
