"""Making what a trust needs, without touching what it has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from flame_node_agent.errors import KitError
from flame_node_agent.kit.env_text import EnvText
from flame_node_agent.kit.sections import SECTIONS, KitVariable, Section, is_placeholder


@dataclass(frozen=True)
class Completed:
    """What became of a kit: names only, never values."""

    made: tuple[str, ...]
    kept: tuple[str, ...]
    """Secrets that were there already."""
    open: tuple[str, ...]
    """What still has a placeholder."""


def complete(kit: EnvText, wishes: Mapping[str, str], *, results: bool) -> Completed:
    """Add to ``kit`` what it lacks: secrets are made, ``wishes`` are put in, the rest gets its default.

    A value that is there is never changed, a placeholder is as good as none. Without ``results``, nothing is added that
    would turn the agent's result side on.

    Raises:
        KitError: a wish contradicts what the kit holds, or cannot be written; nothing is to be stored then.
    """
    for name, wanted in wishes.items():
        if (known := given(kit, name)) is not None and known != wanted:
            raise KitError(
                f"{name} has another value in the kit already, which is kept; edit the file if it is wrong"
            )
    made, kept = [], []
    for section in SECTIONS:
        if section.results_only and not results:
            continue
        for variable in section.variables:
            if given(kit, variable.name) is not None:
                kept += [variable.name] if variable.make is not None else []
            elif variable.make is not None:
                _put(kit, section, variable, variable.make())
                made.append(variable.name)
            elif variable.name in wishes:
                _put(kit, section, variable, wishes[variable.name])
            elif variable.name not in kit.values:
                _put(kit, section, variable, variable.value)
    waiting = tuple(name for name, value in kit.values.items() if is_placeholder(value))
    return Completed(tuple(made), tuple(kept), waiting)


def given(kit: EnvText, name: str) -> str | None:
    """The value of a variable; None when there is none, or a placeholder."""
    value = kit.values.get(name)
    return value if value and not is_placeholder(value) else None


def _put(kit: EnvText, section: Section, variable: KitVariable, value: str) -> None:
    try:
        if not kit.put(variable.name, value):
            names = tuple(each.name for each in section.variables)
            kit.insert(variable.name, value, after=names, heading=section.heading)
    except ValueError as error:
        raise KitError(f"{variable.name} {error}") from None
