"""From pydantic's errors to one line per variable, in an operator's words and without any value."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from flame_node_agent.config.introspection import Variable
from flame_node_agent.errors import SettingsProblem

_MISSING = {"missing", "union_tag_not_found"}


def explain(
    error: ValidationError, known: Iterable[Variable], *, needed_by: str = ""
) -> list[SettingsProblem]:
    """Say for each variable what is wrong with it and what it accepts, and by whom a missing one is needed."""
    by_location = {location: variable for variable in known for location in variable.locations}
    problems: dict[str, SettingsProblem] = {}
    for details in error.errors(include_url=False, include_input=False):
        # An item of a list is told as its list.
        location = tuple(part for part in details["loc"] if isinstance(part, str))
        variable = by_location[location]
        problem = f"{_reason(details, variable, needed_by)}; accepts {variable.accepts}"
        problems.setdefault(variable.name, SettingsProblem(variable.name, problem))
    return list(problems.values())


def _reason(details: ErrorDetails, variable: Variable, needed_by: str) -> str:
    if details["type"] in _MISSING:
        need = [f" when {variable.needed_when}"] if variable.needed_when else []
        need += [f" by {needed_by}"] if needed_by else []
        return f"is missing, and is needed{''.join(need)}" if need else "is missing"
    if details["type"] == "value_error":
        return str(details["ctx"]["error"])
    # Pydantic's own words may quote the value; what is accepted says enough.
    return "is not valid"
