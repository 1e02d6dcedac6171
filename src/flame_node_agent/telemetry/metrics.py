"""Every metric the agent exposes at ``/metrics``, in Prometheus' text format.

One process has one registry of its own, so that nothing another library registers by itself appears here.
Labels hold few, fixed values: never an id, a file name or a path with ids in it.
"""

from __future__ import annotations

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    ProcessCollector,
    generate_latest,
)

from flame_node_agent import __version__

CONTENT_TYPE = CONTENT_TYPE_LATEST
REGISTRY = CollectorRegistry()

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800)

# Requests of analyses
REQUESTS = Counter(
    "flame_node_requests",
    "Requests answered by the result endpoint.",
    ["route", "method", "status"],
    registry=REGISTRY,
)
REQUEST_SECONDS = Histogram(
    "flame_node_request_seconds",
    "Seconds from the first byte of a request to the last byte of its answer.",
    ["route", "method"],
    buckets=_SECONDS,
    registry=REGISTRY,
)
BYTES_RECEIVED = Counter(
    "flame_node_received_bytes",
    "Bytes of request bodies received from analyses.",
    ["route"],
    registry=REGISTRY,
)
BYTES_SENT = Counter(
    "flame_node_sent_bytes", "Bytes of answer bodies sent to analyses.", ["route"], registry=REGISTRY
)

# Requests to data-access-api
DATA_ACCESS_REQUESTS = Counter(
    "flame_node_data_access_requests",
    "Requests answered by data-access-api.",
    ["route", "method", "status"],
    registry=REGISTRY,
)
DATA_ACCESS_SECONDS = Histogram(
    "flame_node_data_access_seconds",
    "Seconds from a request to data-access-api to the last byte of its answer.",
    ["route"],
    buckets=_SECONDS,
    registry=REGISTRY,
)

# The outbox
OUTBOX_UPLOADS = Gauge("flame_node_outbox_uploads", "Uploads in the outbox.", ["state"], registry=REGISTRY)
OLDEST_WAITING_SECONDS = Gauge(
    "flame_node_outbox_oldest_waiting_seconds",
    "Age in seconds of the oldest upload that has not reached the hub; 0 when there is none.",
    registry=REGISTRY,
)
UPLOADS_DELIVERED = Counter(
    "flame_node_uploads_delivered", "Uploads that have reached the hub.", ["kind"], registry=REGISTRY
)
UPLOADS_FAILED = Counter(
    "flame_node_uploads_failed",
    "Uploads that the hub has refused for good and that wait for the operator.",
    ["kind"],
    registry=REGISTRY,
)
LEASES_HELD = Gauge("flame_node_leases_held", "Leases that this agent holds now.", registry=REGISTRY)
LEASES_LOST = Counter(
    "flame_node_leases_lost", "Leases that another agent has taken over.", registry=REGISTRY
)
LEDGER_ROWS = Counter(
    "flame_node_ledger_rows", "Rows that this agent has appended to the egress ledger.", registry=REGISTRY
)

# Tasks of the hub
TASKS_PERFORMED = Counter(
    "flame_node_tasks_performed",
    "Tasks that were done or have failed.",
    ["type", "outcome"],
    registry=REGISTRY,
)
TASK_SECONDS = Histogram(
    "flame_node_task_seconds",
    "Seconds from the start of a task to its outcome.",
    ["type"],
    buckets=_SECONDS,
    registry=REGISTRY,
)
TASKS = Gauge("flame_node_tasks", "Tasks that are not closed yet.", ["state"], registry=REGISTRY)
OLDEST_TASK_SECONDS = Gauge(
    "flame_node_tasks_oldest_seconds",
    "Time in seconds since the oldest task that is not closed yet was fetched; 0 when there is none.",
    registry=REGISTRY,
)
TASKS_RECEIVED = Counter(
    "flame_node_tasks_received",
    "Tasks that the hub has handed out to this agent.",
    ["as"],
    registry=REGISTRY,
)
TASK_REPORTS = Counter(
    "flame_node_task_reports",
    "Reports of tasks by what became of them.",
    ["outcome"],
    registry=REGISTRY,
)
TASK_LEASES_HELD = Gauge(
    "flame_node_task_leases_held", "Leases on tasks that this agent holds now.", registry=REGISTRY
)
HEARTBEATS = Counter(
    "flame_node_heartbeats", "Heartbeats by what became of them.", ["outcome"], registry=REGISTRY
)

# What the agent depends on
HUB_CALLS = Counter(
    "flame_node_hub_calls",
    "Requests sent to the hub, each repeat counted.",
    ["destination", "outcome"],
    registry=REGISTRY,
)
HUB_CALL_SECONDS = Histogram(
    "flame_node_hub_call_seconds",
    "Seconds until the hub has answered a request, bodies included.",
    ["destination"],
    buckets=_SECONDS,
    registry=REGISTRY,
)
RETRIES = Counter(
    "flame_node_retries", "Attempts repeated after a failure that may pass.", ["what"], registry=REGISTRY
)
OBJECT_STORE_OPERATIONS = Counter(
    "flame_node_object_store_operations",
    "Operations on the object store.",
    ["operation", "outcome"],
    registry=REGISTRY,
)
JWKS_REFRESHES = Counter(
    "flame_node_jwks_refreshes", "Fetches of the OIDC issuer's signing keys.", ["outcome"], registry=REGISTRY
)

# The agent itself
LOOP_ERRORS = Counter(
    "flame_node_loop_errors",
    "Rounds of a background loop that ended in an error.",
    ["loop"],
    registry=REGISTRY,
)
JANITOR_REMOVED = Counter(
    "flame_node_janitor_removed", "Things that the janitor has removed.", ["what"], registry=REGISTRY
)
BUILD = Info("flame_node_build", "The running version.", registry=REGISTRY)
BUILD.info({"version": __version__})
# CPU seconds, resident memory, open files and start time, from /proc.
ProcessCollector(registry=REGISTRY)


def render() -> bytes:
    """Write all metrics in Prometheus' text format, to be served as :data:`CONTENT_TYPE`."""
    return generate_latest(REGISTRY)
