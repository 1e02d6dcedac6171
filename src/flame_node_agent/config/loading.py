"""From variables to a settings tree: one loader for the roots of all services."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from flame_node_agent.config.environment import ENV_FILE, Found, find
from flame_node_agent.config.introspection import Variable, variables
from flame_node_agent.config.problems import explain
from flame_node_agent.config.shared import ProcessSettings
from flame_node_agent.errors import SettingsError


@dataclass(frozen=True)
class Loaded[Root: ProcessSettings]:
    """Valid settings, and for every variable that was given, where it was found."""

    settings: Root
    found: Mapping[str, Found]


def load_root[Root: ProcessSettings](
    root: type[Root],
    env: Mapping[str, str] | None = None,
    env_file: Path | None = ENV_FILE,
    *,
    needed_by: str = "",
) -> Loaded[Root]:
    """Load the tree ``root`` from ``env`` (default: the process environment) and, behind it, ``env_file``.

    ``needed_by`` says in messages whose variables are missed, such as "the task side".

    Raises:
        SettingsError: with one problem per wrong, missing or contradictory variable.
    """
    known = variables(root)
    findings = find(known, os.environ if env is None else env, env_file)
    try:
        settings = root(**_nested(known, findings.values))
    except ValidationError as error:
        contradictory = {problem.variable for problem in findings.problems}
        others = [
            problem
            for problem in explain(error, known, needed_by=needed_by)
            if problem.variable not in contradictory
        ]
        raise SettingsError([*others, *findings.problems]) from None
    if findings.problems:
        raise SettingsError(list(findings.problems))
    return Loaded(settings, findings.values)


def _nested(known: list[Variable], found: Mapping[str, Found]) -> dict[str, Any]:
    """Put the values in their places; a group nobody has set is empty, so that each leaf can be missed."""
    tree: dict[str, Any] = {}
    for variable in known:
        *groups, leaf = variable.path
        place = tree
        for group in groups:
            place = place.setdefault(group, {})
        if variable.name in found:
            place[leaf] = found[variable.name].value
    return tree
