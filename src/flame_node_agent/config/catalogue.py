"""All variables of all services, each told once, with the services that read it.

``.env.example``, the reference page and the documentation tests use this one list.
"""

from __future__ import annotations

from dataclasses import dataclass

from flame_node_agent.config.data_access import DataAccessSettings
from flame_node_agent.config.introspection import Variable, variables
from flame_node_agent.config.relay import RelaySettings
from flame_node_agent.config.settings import Settings
from flame_node_agent.config.shared import ProcessSettings, SharedSettings
from flame_node_agent.config.task_side import TaskSettings
from flame_node_agent.config.trust import TrustSettings

READERS: dict[str, type[ProcessSettings]] = {
    "agent (results)": Settings,
    "agent (tasks)": TaskSettings,
    "data-access": DataAccessSettings,
    "relay": RelaySettings,
}
"""Who reads variables: each side of the agent, and the other services."""

_ORDER = (SharedSettings, Settings, TrustSettings, TaskSettings, DataAccessSettings, RelaySettings)
"""What most services read comes first."""


@dataclass(frozen=True)
class Entry:
    """One variable, and who reads it."""

    variable: Variable
    read_by: tuple[str, ...]
    other_defaults: tuple[tuple[str, str], ...]
    """Readers whose default is another, with that default."""


def catalogue() -> list[Entry]:
    """List every variable of every service once, by subject."""
    by_reader = {
        reader: {variable.name: variable for variable in variables(root)} for reader, root in READERS.items()
    }
    entries: dict[str, Entry] = {}
    for root in _ORDER:
        for variable in variables(root):
            name = variable.name
            readings = {reader: known[name] for reader, known in by_reader.items() if name in known}
            others = tuple(
                (reader, reading.default or "")
                for reader, reading in readings.items()
                if reading.default != variable.default
            )
            entries.setdefault(name, Entry(variable, tuple(readings), others))
    return list(entries.values())
