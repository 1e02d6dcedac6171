"""``flame-node config``: what the agent would run with, and a template to start from."""

from __future__ import annotations

from functools import reduce
from itertools import groupby

import typer

from flame_node_agent.cli.env_file import EnvFile
from flame_node_agent.config.environment import Found
from flame_node_agent.config.example import render_example
from flame_node_agent.config.introspection import Variable, written
from flame_node_agent.config.settings import ENV_FILE, Loaded, Settings, known_variables, load
from flame_node_agent.telemetry.redaction import MASK, Redaction

app = typer.Typer(help="Check the settings, or write a template for them.", no_args_is_help=True)


@app.command()
def check(env_file: EnvFile = ENV_FILE) -> None:
    """Validate the settings and print the effective ones, with secrets masked, and where each came from.

    Wrong, missing or contradictory settings end with exit code 2 and one line per variable on standard error.
    """
    loaded = load(env_file=env_file)
    rows = [
        (variable, _shown(variable, loaded.settings), _origin(variable, loaded))
        for variable in known_variables()
        if _is_read(variable, loaded.settings)
    ]
    name_width = max(len(variable.name) for variable, *_ in rows)
    value_width = max(len(value) for _, value, _ in rows)
    for title, group in groupby(rows, lambda row: row[0].group):
        typer.echo(f"# {title}")
        for variable, value, origin in group:
            typer.echo(f"{variable.name:{name_width}}  {value:{value_width}}  {origin}")
        typer.echo()
    typer.echo("The settings are complete and valid.")


@app.command()
def example() -> None:
    """Print a template for a `.env` file: every variable with what it means, accepts and is by default."""
    typer.echo(render_example(known_variables()), nl=False)


def _is_read(variable: Variable, settings: Settings) -> bool:
    """Tell whether the choice of sign-in flow and key provider leaves the variable any meaning."""
    chosen = {known.name: known for known in known_variables()}.get(variable.chosen_by or "")
    return chosen is None or _value(chosen, settings) in variable.chosen_with


def _shown(variable: Variable, settings: Settings) -> str:
    value = _value(variable, settings)
    if value is None:
        return "(not set)"
    # A URL that is no secret as a whole may still hold a password.
    return MASK if variable.secret else Redaction(()).text(written(value))


def _origin(variable: Variable, loaded: Loaded[Settings]) -> str:
    match loaded.found.get(variable.name):
        case None:
            return "default"
        case Found(given_as=name, source=source) if name != variable.name:
            return f"{source}, as {name}"
        case Found(source=source):
            return source


def _value(variable: Variable, settings: Settings) -> object:
    return reduce(getattr, variable.path, settings)
