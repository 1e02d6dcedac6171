"""The reference tells all there is, and nothing that is gone.

Each page of ``docs/reference`` lists things of one kind in Markdown tables whose first column names them. Here they
are compared with what the code really has, both ways.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
import typer
from prometheus_client.metrics import MetricWrapperBase

from flame_node_agent import errors
from flame_node_agent.cli import COMMANDS, app, load_command
from flame_node_agent.config.settings import known_variables, load_settings
from flame_node_agent.results.app import create_app
from flame_node_agent.results.ports import ResultDependencies
from flame_node_agent.telemetry import metrics
from tests.unit.settings_samples import COMPLETE

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "flame_node_agent"
REFERENCE = ROOT / "docs" / "reference"
LEVELS = {"debug", "info", "warning", "error", "critical", "exception"}


def page(name: str) -> str:
    return (REFERENCE / name).read_text("utf-8")


def rows(text: str) -> dict[str, list[str]]:
    """Read all rows of all tables that begin with a name in backticks: name -> the other cells."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        if line.startswith("| `"):
            first, *others = (cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1])
            name = first.removeprefix("`").partition("`")[0]
            assert name not in found, f"{name} is told twice"
            found[name] = others
    return found


def sections(text: str, level: str = "##") -> dict[str, str]:
    """Split a page at its headings: heading -> what stands below it."""
    _, *parts = re.split(rf"^{level} ", text, flags=re.MULTILINE)
    return {head.strip("`"): body for head, _, body in (part.partition("\n") for part in parts)}


def assert_same(documented: set[str], real: set[str], page: str) -> None:
    assert not real - documented, f"not told in docs/reference/{page}: {sorted(real - documented)}"
    assert not documented - real, f"told in docs/reference/{page}, but gone: {sorted(documented - real)}"


def assert_prose(text: str) -> None:
    assert re.match(r"[A-Z0-9`].{15,}[.:]$", text), f"no sentence: {text!r}"


# Settings


def variable_row(variable: Any) -> list[str]:
    """What the page has to say of a variable; to be copied into it when something was changed."""
    if variable.needed_when:
        default = f"needed when `{variable.needed_when}`".replace(" is ", "` is `").replace(" or ", "` or `")
    elif variable.required:
        default = "**required**"
    else:
        default = f"`{variable.default}`" if variable.default else "not set"
    others = (
        f" Also understood as {' or '.join(f'`{name}`' for name in variable.also_named)}."
        if variable.also_named
        else ""
    )
    return [variable.description + others, variable.accepts, default]


def test_every_setting_is_documented() -> None:
    assert_same(
        set(rows(page("settings.md"))), {variable.name for variable in known_variables()}, "settings.md"
    )


@pytest.mark.parametrize("variable", known_variables(), ids=lambda variable: variable.name)
def test_setting_is_documented_as_it_is_declared(variable) -> None:
    wanted = variable_row(variable)
    line = " | ".join([f"| `{variable.name}`", *(cell.replace("|", "\\|") for cell in wanted)]) + " |"
    assert rows(page("settings.md")).get(variable.name) == wanted, (
        f"docs/reference/settings.md needs the row:\n{line}"
    )
    assert_prose(variable.description)


# Command line


def commands() -> Iterator[tuple[str, Any]]:
    """Walk all commands, the groups included."""
    yield "flame-node", typer.main.get_command(app)
    for name in COMMANDS:
        yield from _walk(f"flame-node {name}", load_command(name))


def _walk(path: str, command: Any) -> Iterator[tuple[str, Any]]:
    yield path, command
    for name, below in getattr(command, "commands", {}).items():
        yield from _walk(f"{path} {name}", below)


def parameters(command: Any) -> set[str]:
    names = {parameter.opts[0] if parameter.param_type_name == "option" else parameter.name.upper()
             for parameter in command.params}  # fmt: skip
    return names - {"--help"}


def test_every_command_is_documented() -> None:
    documented = {head for head in sections(page("cli.md")) if head.startswith("flame-node")}
    assert_same(documented, {path for path, _ in commands()}, "cli.md")


@pytest.mark.parametrize("path", [pytest.param(path, id=path) for path, _ in commands()])
def test_every_option_and_argument_is_documented(path: str) -> None:
    told = rows(sections(page("cli.md"))[path])
    assert_same(set(told), parameters(dict(commands())[path]), f"cli.md, {path}")
    for cells in told.values():
        assert_prose(cells[-1])


@pytest.mark.parametrize("name", COMMANDS)
def test_command_says_of_itself_what_the_list_of_commands_says_of_it(name: str) -> None:
    first_line = (load_command(name).help or "").strip().partition("\n")[0]
    assert first_line == COMMANDS[name]


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


# Tables of the database


def tables() -> dict[str, set[str]]:
    """Read the columns of every table from the migrations."""
    found: dict[str, set[str]] = {}
    for path in sorted((SOURCE / "stores" / "migrations").glob("*.sql")):
        sql = re.sub(r"--.*", "", path.read_text("utf-8"))
        for name, body in re.findall(r"CREATE TABLE (?:IF NOT EXISTS )?(\w+) \((.*?)\n\);", sql, re.DOTALL):
            lines = re.findall(r"^    (\w+) ", body, re.MULTILINE)
            found[name] = {word for word in lines if word.islower()}
        for name, column in re.findall(r"ALTER TABLE (\w+)\s+ADD COLUMN (?:IF NOT EXISTS )?(\w+)", sql):
            found[name].add(column)
        for name in re.findall(r"DROP TABLE (?:IF EXISTS )?(\w+)", sql):
            del found[name]
    return found


def test_every_table_is_documented() -> None:
    assert_same(set(sections(page("tables.md"))), set(tables()) | {"schema_migration"}, "tables.md")


@pytest.mark.parametrize("name", tables())
def test_every_column_is_documented(name: str) -> None:
    told = rows(sections(page("tables.md"))[name])
    assert_same(set(told), tables()[name], f"tables.md, {name}")
    for cells in told.values():
        assert_prose(cells[-1])


# HTTP


@cache
def openapi() -> dict[str, Any]:
    absent = {part.name: Mock() for part in fields(ResultDependencies)}
    return create_app(ResultDependencies(**absent), load_settings(COMPLETE, env_file=None)).openapi()


def operations() -> dict[str, dict[str, Any]]:
    """Read all operations from the OpenAPI document: ``PUT /final/`` -> operation."""
    return {
        f"{method.upper()} {path}": operation
        for path, methods in openapi()["paths"].items()
        for method, operation in methods.items()
    }


def test_every_route_is_documented() -> None:
    undescribed = {"GET /openapi.json", "GET /docs", "GET /redoc"}
    documented = {head for head in sections(page("http.md")) if re.match("[A-Z]+ /", head)}
    assert_same(documented, set(operations()) | undescribed, "http.md")


@pytest.mark.parametrize("name", operations())
def test_route_is_documented_with_its_parameters_and_answers(name: str) -> None:
    operation, text = operations()[name], sections(page("http.md"))[name]
    assert f"`{operation['operationId']}`" in text
    told = rows(text)
    inputs = {parameter["name"] for parameter in operation.get("parameters", [])} | body_fields(operation)
    assert_same({row for row in told if not row.isdigit()}, inputs, f"http.md, {name}")
    assert_same({row for row in told if row.isdigit()}, set(operation["responses"]), f"http.md, {name}")
    for cells in told.values():
        assert_prose(cells[-1])


def body_fields(operation: dict[str, Any]) -> set[str]:
    for content in operation.get("requestBody", {}).get("content", {}).values():
        schema = content["schema"]["$ref"].rpartition("/")[2]
        return set(openapi()["components"]["schemas"][schema]["properties"])
    return set()


# Errors


def error_classes() -> dict[str, type[BaseException]]:
    found = {name: value for name, value in vars(errors).items() if isinstance(value, type)}
    return {name: value for name, value in found.items() if issubclass(value, BaseException)}


def test_every_error_is_documented() -> None:
    assert_same(set(rows(page("errors.md"))), set(error_classes()), "errors.md")


@pytest.mark.parametrize("name", error_classes())
def test_error_is_documented_with_what_the_agent_does_about_it(name: str) -> None:
    repeated, *prose = rows(page("errors.md"))[name]
    error = error_classes()[name]
    assert repeated == ("yes" if errors.is_retryable(error.__new__(error)) else "no")
    for text in prose:
        assert_prose(text)
