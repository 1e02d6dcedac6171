"""``flame-node policy``: the trust's access policy."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flame_node_agent.cohort.policy import Policy
from flame_node_agent.config.data_access import THRESHOLD_FLOOR, DataAccessSettings
from flame_node_agent.errors import SettingsError

app = typer.Typer(help="Check the policy that says which projects may be told what.", no_args_is_help=True)

WRONG = 1

_USUAL_THRESHOLD = int(DataAccessSettings.model_fields["cohort_query_threshold"].default)


@app.callback()
def group() -> None:
    """Check the policy that says which projects may be told what."""


@app.command()
def check(
    file: Annotated[
        Path, typer.Argument(envvar="ACCESS_POLICY_FILE", help="The policy, a TOML file.", show_default=False)
    ],
    threshold: Annotated[
        int,
        typer.Option(
            envvar="COHORT_QUERY_THRESHOLD",
            min=THRESHOLD_FLOOR,
            help="Fewest subjects that the trust allows; no size in the policy may be below.",
        ),
    ] = _USUAL_THRESHOLD,
) -> None:
    """Tell whether data-access-api would start with a policy, and what the policy says.

    Exit code 1: it would not; one line for each reason.
    """
    try:
        policy = Policy.load(file, threshold)
    except SettingsError as error:
        for problem in error.problems:
            typer.echo(f"{file}: {problem.problem.removeprefix('names a file that ')}", err=True)
        raise typer.Exit(WRONG) from None
    for rule in policy.rules:
        size = max(policy.floor, rule.min_cohort_size or 0)
        projects = "all projects" if rule.projects is None else f"{len(rule.projects)} projects"
        what = f"{rule.effect} {rule.action} to {projects}"
        typer.echo(f"{rule.id}: {what}" + (f" from {size} subjects on" if rule.effect == "permit" else ""))
    typer.echo(f"The policy is valid: {len(policy.rules)} rules, from {policy.floor} subjects on.")
    typer.echo(f"SHA-256: {policy.sha256}")
