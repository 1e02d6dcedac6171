"""The two sides of the agent: each runs when a variable of its own is given, alone or beside the other.

A variable that a side shares with other services of the node does not turn it on: one file of variables may feed all
of them, and the release is even part of an image. What a settings class inherits is shared, the rest is its own.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from flame_node_agent.config.environment import ENV_FILE, Found, find
from flame_node_agent.config.introspection import Variable, variables
from flame_node_agent.config.loading import Loaded, load_root
from flame_node_agent.config.settings import Settings
from flame_node_agent.config.shared import ProcessSettings, SharedSettings
from flame_node_agent.config.task_side import TaskSettings
from flame_node_agent.errors import SettingsError, SettingsProblem

RESULT_SIDE = "the result side"
TASK_SIDE = "the task side"


@dataclass(frozen=True)
class AgentSettings:
    """What both sides share, and the sides that are on: one of them at least."""

    shared: SharedSettings
    results: Settings | None
    tasks: TaskSettings | None

    @property
    def sides(self) -> tuple[SharedSettings, ...]:
        """The settings of the sides that are on."""
        return tuple(side for side in (self.results, self.tasks) if side is not None)


@dataclass(frozen=True)
class LoadedAgent:
    """Valid settings of each side that is on, with the origin of every value."""

    results: Loaded[Settings] | None
    tasks: Loaded[TaskSettings] | None


def load_agent(env: Mapping[str, str] | None = None, env_file: Path | None = ENV_FILE) -> AgentSettings:
    """Load the settings from ``env`` (default: the process environment) and, behind it, ``env_file``.

    Raises:
        SettingsError: with one problem per wrong, missing or contradictory variable of each side that is on; or, when
            none is, with what would turn each on.
    """
    loaded = load_sides(env, env_file)
    results = loaded.results.settings if loaded.results else None
    tasks = loaded.tasks.settings if loaded.tasks else None
    shared = results or tasks
    assert shared is not None  # load_sides has seen to it
    return AgentSettings(shared, results, tasks)


def load_sides(env: Mapping[str, str] | None = None, env_file: Path | None = ENV_FILE) -> LoadedAgent:
    """Like :func:`load_agent`, with the origin of every value.

    Raises:
        SettingsError: as :func:`load_agent` does.
    """
    environment = os.environ if env is None else env
    problems: dict[str, SettingsProblem] = {}

    def side[Root: SharedSettings](root: type[Root], name: str) -> Loaded[Root] | None:
        given = find(own_variables(root), environment, env_file).values
        if not given:
            return None
        try:
            return load_root(root, environment, env_file, needed_by=_reason(name, given))
        except SettingsError as error:
            problems.update({each.variable: each for each in error.problems if each.variable not in problems})
            return None

    results, tasks = side(Settings, RESULT_SIDE), side(TaskSettings, TASK_SIDE)
    if problems:
        raise SettingsError(list(problems.values()))
    if results is None and tasks is None:
        raise SettingsError(_nothing_on(environment, env_file))
    return LoadedAgent(results, tasks)


def own_variables(root: type[ProcessSettings]) -> list[Variable]:
    """List the variables that ``root`` declares by itself."""
    inherited = {
        name for base in root.__mro__[1:] if issubclass(base, ProcessSettings) for name in base.model_fields
    }
    return [variable for variable in variables(root) if variable.path[0] not in inherited]


def _reason(side: str, given: Mapping[str, Found]) -> str:
    return f"{side}, as {next(iter(given.values())).given_as} is given"


def _nothing_on(environment: Mapping[str, str], env_file: Path | None) -> list[SettingsProblem]:
    """Say what is needed for each side, and what is wrong with what they share."""
    problems: list[SettingsProblem] = []
    for root, name in ((Settings, RESULT_SIDE), (TaskSettings, TASK_SIDE)):
        first, *others = [variable.name for variable in own_variables(root) if variable.required]
        problems.append(
            SettingsProblem(
                first,
                f"is missing, as is every other variable of {name}; to run it give {first}, {', '.join(others)} "
                "and what all services share",
            )
        )
    try:
        load_root(SharedSettings, environment, env_file)
    except SettingsError as error:
        problems += error.problems
    return problems
