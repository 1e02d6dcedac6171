"""The settings of the task side: the variables of FLIP's trust-api, verbatim, of both its eras."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, HttpUrl, ValidationInfo, field_validator

from flame_node_agent.config.shared import ServiceSettings, SharedSettings
from flame_node_agent.config.task_limits import COHORT_TYPES, TaskLoopSettings
from flame_node_agent.config.trust import TrustSettings
from flame_node_agent.config.trust_keys import HeaderName, HeaderSecret, PathSegment, TrustId
from flame_node_agent.config.values import (
    Accepts,
    AlsoNamed,
    BaseUrl,
    Count,
    IgnoreCaseLower,
    Seconds,
    Text,
)

_API = "/api"

Routes = Annotated[Literal["auto", "current", "named"], IgnoreCaseLower, Accepts("auto, current or named")]


class NeighbourSettings(ServiceSettings):
    """The other services of the trust: where they are, and which release all of them have.

    Compose files set these for several services, and images carry the release.
    """

    data_access_api_url: BaseUrl = Field(
        default=HttpUrl("http://data-access-api:8000"), description="Base URL of data-access-api."
    )
    imaging_api_url: BaseUrl = Field(
        default=HttpUrl("http://imaging-api:8000"), description="Base URL of imaging-api."
    )
    xnat_url: BaseUrl = Field(
        default=HttpUrl("http://xnat-web:8080"),
        description="Base URL of XNAT; only its health is looked at from here.",
    )
    omop_db_host: Text = Field(
        default="omop-db",
        description="Host of the OMOP database; only whether it accepts connections is looked at.",
    )
    fl_client_image_tag: Text | None = Field(
        default=None,
        description="Release of the FL client, told to the hub in heartbeats. Not told when not given.",
    )
    flip_release: Text | None = Field(
        default=None,
        description="Release that heartbeats and `/health` tell as the agent's. When not given, it is the version of "
        "this package.",
    )


class TaskSettings(SharedSettings, NeighbourSettings, TrustSettings):
    """The task side: the hub that has work for this trust, and how it is asked."""

    central_hub_api_url: BaseUrl = Field(
        description="Base URL of the hub's API, with or without `/api` at its end."
    )
    trust_api_key: Annotated[HeaderSecret, AlsoNamed("PRIVATE_API_KEY", gives_way=True)] = Field(
        description="Key by which the hub knows this trust."
    )
    trust_api_key_header: Annotated[HeaderName, AlsoNamed("PRIVATE_API_KEY_HEADER", gives_way=True)] = Field(
        default="Authorization", description="Header that carries that key, as it is and without `Bearer`."
    )
    expected_trust_id: TrustId | None = Field(
        default=None,
        description="Id that this trust must have at the hub. The agent stops with exit code 2 when the hub says "
        "another.",
    )
    hub_task_routes: Routes = Field(
        default="auto",
        description="Routes for tasks and heartbeats: `current` ones know the trust by its key, those of older hubs "
        "are `named` after TRUST_NAME; `auto` finds out.",
    )
    trust_name: PathSegment | None = Field(
        default=None,
        description="Name of this trust at the hub. Older hubs need it, as it is part of their routes.",
    )
    poll_interval_seconds: Seconds = Field(
        default=5, description="Pause between two looks for tasks at the hub."
    )
    heartbeat_interval_seconds: Seconds = Field(
        default=10,
        description="Pause between two heartbeats. FLIP hubs show a trust as offline after 30 seconds without one.",
    )
    cohort_query_timeout_seconds: Seconds = Field(
        default=300,
        description="Time that data-access-api has for a cohort query or for freezing a cohort. Keep it above "
        "COHORT_STATEMENT_TIMEOUT_SECONDS.",
    )
    health_collect_interval_seconds: Seconds = Field(
        default=30, description="Pause between two looks at the health of the other services."
    )
    health_probe_degraded_ms: Count = Field(
        default=1000,
        description="Milliseconds from which on a slow answer makes a service count as degraded.",
    )
    tasks: TaskLoopSettings

    @property
    def hub_api(self) -> str:
        """Base URL of the hub's API: ends in ``/api`` exactly once, without a slash behind it."""
        base = str(self.central_hub_api_url).rstrip("/")
        while base.endswith(_API):
            base = base.removesuffix(_API).rstrip("/")
        return base + _API

    def timeout_of(self, task_type: str) -> float:
        """Seconds after which a task of this type is given up."""
        if task_type in COHORT_TYPES:
            return self.cohort_query_timeout_seconds
        return self.tasks.timeout_by_type.get(task_type, self.tasks.timeout_seconds)

    @field_validator("trust_name")
    @classmethod
    def _named_routes_need_the_name(cls, name: str | None, info: ValidationInfo) -> str | None:
        if name is None and info.data.get("hub_task_routes") == "named":
            raise ValueError("is missing, and is needed when HUB_TASK_ROUTES is named")
        return name
