"""``metrics.md`` and ``log-events.md`` tell every metric and every event, as they are declared and logged."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import pytest
from prometheus_client.metrics import MetricWrapperBase

from flame_node_agent.telemetry import metrics
from tests.unit.reference_pages import SOURCE, assert_prose, assert_same, page, rows

LEVELS = {"debug", "info", "warning", "error", "critical", "exception"}


# Metrics


def own_metrics() -> dict[str, MetricWrapperBase]:
    found = [metric for metric in vars(metrics).values() if isinstance(metric, MetricWrapperBase)]
    suffix = {"counter": "_total", "info": "_info"}
    return {metric._name + suffix.get(metric._type, ""): metric for metric in found}


def test_every_metric_is_documented() -> None:
    process = {family.name + ("_total" if family.type == "counter" else "")
               for family in metrics.REGISTRY.collect() if family.name.startswith("process_")}  # fmt: skip
    assert_same(set(rows(page("metrics.md"))), set(own_metrics()) | process, "metrics.md")


@pytest.mark.parametrize("name", own_metrics())
def test_metric_is_documented_as_it_is_declared(name: str) -> None:
    metric = own_metrics()[name]
    kind, labels, meaning = rows(page("metrics.md"))[name]
    assert kind == metric._type
    declared = ["version"] if metric is metrics.BUILD else metric._labelnames
    assert re.findall(r"`(\w+)`", labels) == list(declared)
    assert meaning.startswith(metric._documentation)
    assert_prose(meaning)


def label_values() -> Iterator[tuple[str, str]]:
    """Find the label values that the source writes out: (metric, value)."""
    names = {id(metric): name for name, metric in own_metrics().items()}
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            match node:
                case ast.Call(
                    func=ast.Attribute(
                        value=ast.Attribute(attr=constant) | ast.Name(id=constant), attr="labels"
                    ),
                    args=values,
                ):
                    metric = names[id(vars(metrics)[constant])]
                    yield from (
                        (metric, str(each.value)) for each in values if isinstance(each, ast.Constant)
                    )


@pytest.mark.parametrize(("name", "value"), sorted(set(label_values())))
def test_label_value_is_documented(name: str, value: str) -> None:
    assert f"`{value}`" in rows(page("metrics.md"))[name][-1]


# Log events


@dataclass
class Event:
    """What the source says of one event: over all places that log it."""

    levels: set[str] = field(default_factory=set)
    fields: set[str] = field(default_factory=set)


def log_calls(tree: ast.AST) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id="log"), attr=level)) if level in LEVELS:
                yield node


@cache
def events() -> dict[str, Event]:
    found: dict[str, Event] = {}
    for path in SOURCE.rglob("*.py"):
        for call in log_calls(ast.parse(path.read_text("utf-8"))):
            assert isinstance(call.func, ast.Attribute)
            match call.args:
                case [ast.Constant(value=str(name))]:
                    event = found.setdefault(name, Event())
                case _:
                    pytest.fail(f"{path}:{call.lineno}: the event is no literal")
            event.levels.add("error" if call.func.attr == "exception" else call.func.attr)
            event.fields |= {keyword.arg for keyword in call.keywords if keyword.arg} - {"exc_info"}
    return found


def test_every_log_event_is_documented() -> None:
    assert_same(set(rows(page("log-events.md"))), set(events()), "log-events.md")


@pytest.mark.parametrize("name", sorted(events()))
def test_log_event_is_documented_as_it_is_logged(name: str) -> None:
    assert re.fullmatch(r"[a-z][a-z_]*(\.[a-z_]+)+", name)
    level, fields, meaning = rows(page("log-events.md"))[name]
    assert set(level.split(", ")) == events()[name].levels
    assert set(re.findall(r"`(\w+)`", fields)) == events()[name].fields
    assert_prose(meaning)


@pytest.mark.parametrize("path", sorted(SOURCE.rglob("*.py")), ids=lambda path: str(path.relative_to(SOURCE)))
def test_every_logger_has_the_name_by_which_events_are_found(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        match node:
            case ast.Assign(
                targets=[ast.Name(id=name)], value=ast.Call(func=ast.Attribute(attr="get_logger"))
            ):
                assert name == "log"
