"""The metrics: a registry of their own, names that Prometheus' conventions expect, few labels."""

from __future__ import annotations

import re

import pytest
from prometheus_client import REGISTRY as GLOBAL_REGISTRY
from prometheus_client.parser import text_string_to_metric_families

from flame_node_agent import __version__
from flame_node_agent.telemetry import metrics

FAMILIES = list(metrics.REGISTRY.collect())
OWN = [family for family in FAMILIES if not family.name.startswith("process_")]


def rendered() -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    families = text_string_to_metric_families(metrics.render().decode())
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for family in families for s in family.samples}


def test_counted_things_are_rendered() -> None:
    metrics.REQUESTS.labels(route="/final", method="PUT", status="204").inc()
    metrics.HUB_CALL_SECONDS.labels(destination="core").observe(0.2)
    metrics.OUTBOX_UPLOADS.labels(state="waiting").set(3)
    shown = rendered()
    assert (
        shown["flame_node_requests_total", (("method", "PUT"), ("route", "/final"), ("status", "204"))] >= 1
    )
    assert shown["flame_node_hub_call_seconds_count", (("destination", "core"),)] >= 1
    assert shown["flame_node_outbox_uploads", (("state", "waiting"),)] == 3


def test_running_version_and_the_process_are_shown() -> None:
    shown = rendered()
    assert shown["flame_node_build_info", (("version", __version__),)] == 1
    assert shown["process_resident_memory_bytes", ()] > 0


def test_registry_is_not_the_global_one() -> None:
    others = {name for family in GLOBAL_REGISTRY.collect() for name in [family.name]}
    assert not others & {family.name for family in OWN}


@pytest.mark.parametrize("family", OWN, ids=lambda family: family.name)
def test_metric_is_named_and_explained_as_prometheus_expects(family) -> None:
    assert re.fullmatch(r"flame_node_[a-z_]+[a-z]", family.name)
    assert re.fullmatch(r"[A-Z].+\.", family.documentation)


def test_label_values_are_never_ids() -> None:
    labels = {label for metric in vars(metrics).values() for label in getattr(metric, "_labelnames", ())}
    assert labels == {
        "route", "method", "status", "state", "kind", "destination", "outcome", "what", "operation", "loop",
        "as", "type",  # of a task: the seven types that are known, or "unknown"
    }  # fmt: skip
