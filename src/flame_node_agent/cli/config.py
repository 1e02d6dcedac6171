"""``flame-node config``: what a service would run with, and a template to start from."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from functools import reduce
from itertools import groupby
from pathlib import Path
from typing import Annotated

import typer

from flame_node_agent.cli.env_file import EnvFile
from flame_node_agent.config.agent_settings import load_sides
from flame_node_agent.config.catalogue import catalogue
from flame_node_agent.config.data_access import DataAccessSettings
from flame_node_agent.config.environment import ENV_FILE, Found
from flame_node_agent.config.example import render_example
from flame_node_agent.config.introspection import Variable, variables, written
from flame_node_agent.config.loading import Loaded, load_root
from flame_node_agent.config.relay import RelaySettings
from flame_node_agent.config.shared import ProcessSettings
from flame_node_agent.telemetry.redaction import MASK, Redaction

app = typer.Typer(help="Check the settings, or write a template for them.", no_args_is_help=True)


class Service(StrEnum):
    """The services that have settings."""

    AGENT = "agent"
    DATA_ACCESS = "data-access"
    RELAY = "relay"


WIDEST_VALUE = 60
"""A longer value pushes its own origin to the right, and nobody else's."""

Row = tuple[str, str, str, str]
"""Group, variable, value and origin."""


@app.command()
def check(
    env_file: EnvFile = ENV_FILE,
    service: Annotated[Service, typer.Option(help="Whose settings.")] = Service.AGENT,
) -> None:
    """Validate the settings and print the effective ones, with secrets masked, and where each came from.

    Wrong, missing or contradictory settings end with exit code 2 and one line per variable on standard error.
    """
    trees, verdict = _load(service, env_file)
    rows = _rows(trees)
    name_width = max(len(name) for _, name, _, _ in rows)
    value_width = max(len(value) for _, _, value, _ in rows if len(value) <= WIDEST_VALUE)
    for title, group in groupby(rows, lambda row: row[0]):
        typer.echo(f"# {title}")
        for _, name, value, origin in group:
            typer.echo(f"{name:{name_width}}  {value:{value_width}}  {origin}")
        typer.echo()
    typer.echo(f"The settings are complete and valid. {verdict}")


@app.command()
def example() -> None:
    """Print a template for a `.env` file: every variable with what it means, accepts and is by default."""
    typer.echo(render_example(catalogue()), nl=False)


def _load(service: Service, env_file: Path) -> tuple[list[Loaded[ProcessSettings]], str]:
    """Load what the service would run with, and say what it would do."""
    if service is Service.DATA_ACCESS:
        return [load_root(DataAccessSettings, env_file=env_file)], "They are those of data-access-api."
    if service is Service.RELAY:
        return [load_root(RelaySettings, env_file=env_file)], "They are those of omop-relay."
    sides = load_sides(env_file=env_file)
    on: list[Loaded[ProcessSettings]] = []
    told = []
    for name, side in (("the result side", sides.results), ("the task side", sides.tasks)):
        if side is not None:
            on.append(side)
        told.append(f"{name} is {'off' if side is None else 'on'}")
    return on, f"Of the agent, {' and '.join(told)}."


def _rows(trees: Sequence[Loaded[ProcessSettings]]) -> list[Row]:
    """One row for each variable that is read; what two sides share is told once."""
    rows: dict[str, Row] = {}
    for tree in trees:
        known = {variable.name: variable for variable in variables(type(tree.settings))}
        for name, variable in known.items():
            chooser = known.get(variable.chosen_by or "")
            if chooser is None or _value(chooser, tree.settings) in variable.chosen_with:
                shown = _shown(variable, tree.settings)
                rows.setdefault(name, (variable.group, name, shown, _origin(variable, tree)))
    return list(rows.values())


def _shown(variable: Variable, settings: ProcessSettings) -> str:
    value = _value(variable, settings)
    if value is None or not (text := written(value)):
        return "(not set)"
    # A URL that is no secret as a whole may still hold a password.
    return MASK if variable.secret else Redaction(()).text(text)


def _origin(variable: Variable, loaded: Loaded[ProcessSettings]) -> str:
    match loaded.found.get(variable.name):
        case None:
            return "default"
        case Found(given_as=name, source=source) if name != variable.name:
            return f"{source}, as {name}"
        case Found(source=source):
            return source


def _value(variable: Variable, settings: ProcessSettings) -> object:
    return reduce(getattr, variable.path, settings)
