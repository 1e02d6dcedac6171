"""The agent under the development stack: `flame-node agent` as a child process, with its settings in a file."""

from __future__ import annotations

from collections.abc import Mapping

from flame_node_agent.devstack.service_server import ServiceServer

IMPATIENCE = {
    "SHUTDOWN_GRACE_SECONDS": "10",
    "OUTBOX__LEASE_SECONDS": "5",
    "OUTBOX__BACKOFF_CAP_SECONDS": "5",
    "TASKS__LEASE_SECONDS": "5",
    "TASKS__POLL_BACKOFF_CAP_SECONDS": "5",
    "TASKS__REPORT_BACKOFF_CAP_SECONDS": "5",
}
"""Shorter than in production, for somebody who has pressed Ctrl-C, or kills parts and waits for what comes of it."""

UNLIMITED = {"TASKS__POLLS_PER_MINUTE": "0", "TASKS__REPORTS_PER_MINUTE": "0"}
"""For a hub without rate limits."""

_PASSED_ON = (
    "HTTP__",
    "JANITOR__",
    "LOG__",
    "OUTBOX__",
    "RESULTS__",
    "SHUTDOWN_GRACE_SECONDS",
    "TASKS__",
    "COHORT_QUERY_TIMEOUT_SECONDS",
    "POLL_INTERVAL_SECONDS",
    "HEARTBEAT_INTERVAL_SECONDS",
    "IMAGING_API_URL",
    "XNAT_URL",
)


def settings_passed_on(environment: Mapping[str, str]) -> dict[str, str]:
    """The settings somebody may choose for the agent of a development stack; the others belong to the stack."""
    return {name: value for name, value in environment.items() if name.upper().startswith(_PASSED_ON)}


class AgentServer(ServiceServer):
    """One agent; it answers at the result endpoint."""

    title = "the agent"
    name = "agent"

    def start(self, *, wait_for_parts: bool = True) -> None:
        """Start it; returns when it answers and, with ``wait_for_parts``, has everything it needs (/readyz)."""
        self.launch("/readyz" if wait_for_parts else "/healthz")
