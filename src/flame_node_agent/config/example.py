"""The template of a ``.env`` file: every variable, with what it means and accepts."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator
from itertools import groupby

from flame_node_agent.config.introspection import Variable

_WIDTH = 100
_HEAD = """\
# Settings of the node agent. Copy this file to `.env` in the working directory and fill in what has no
# `#` in front. Variables of the process environment win over this file. An empty value counts as not given.
"""


def render_example(known: Iterable[Variable]) -> str:
    """Write the template: required variables to be filled in, all others commented out."""
    return "\n".join(
        [_HEAD, *(_group(title, list(members)) for title, members in groupby(known, lambda v: v.group))]
    )


def _group(title: str, members: list[Variable]) -> str:
    return "\n".join(
        [f"# {title}", "#" + "-" * (_WIDTH - 1), *(_entry(variable) for variable in members), ""]
    )


def _entry(variable: Variable) -> str:
    mark = "" if variable.required else "# "
    comments = (
        textwrap.fill(note, _WIDTH, initial_indent="# ", subsequent_indent="# ") for note in _notes(variable)
    )
    return "\n".join(["", *comments, f"{mark}{variable.name}={variable.default or ''}"])


def _notes(variable: Variable) -> Iterator[str]:
    yield variable.description
    needed = f"Needed when {variable.needed_when}. " if variable.needed_when else ""
    others = f" Also understood as {' or '.join(variable.also_named)}." if variable.also_named else ""
    yield f"{needed}Accepts {variable.accepts}.{others}"
