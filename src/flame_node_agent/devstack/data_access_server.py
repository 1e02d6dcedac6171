"""data-access-api under the development stack: `flame-node data-access` as a child process."""

from __future__ import annotations

from collections.abc import Mapping

from flame_node_agent.devstack.service_server import ServiceServer

_PASSED_ON = (
    "ACCESS_POLICY_FILE",
    "CACHE_",
    "COHORT_",
    "LOG__",
    "SHUTDOWN_GRACE_SECONDS",
    "SNAPSHOT_MAX_BYTES",
)
_AGENTS_OWN = "COHORT_QUERY_TIMEOUT_SECONDS"


def cohort_settings_passed_on(environment: Mapping[str, str]) -> dict[str, str]:
    """The settings somebody may choose for the data-access-api of a development stack."""
    return {
        name: value
        for name, value in environment.items()
        if name.upper().startswith(_PASSED_ON) and name.upper() != _AGENTS_OWN
    }


class DataAccessServer(ServiceServer):
    """One data-access-api in front of the synthetic OMOP database."""

    title = "data-access-api"
    name = "data-access"

    def start(self) -> None:
        """Start it; returns when it answers."""
        self.launch("/health")
