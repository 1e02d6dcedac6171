"""The template of a ``.env`` file: every variable of every service, with what it means and accepts."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator
from itertools import groupby

from flame_node_agent.config.catalogue import Entry

_WIDTH = 100
_HEAD = """\
# Settings of the node: one file for all its services, each of which reads what is its own. Copy it to
# `.env` in the working directory and fill in what has no `#` in front, in the parts that you run.
# The agent has two sides, for results and for tasks. Each is on when a variable of its own is given.
# Variables of the process environment win over this file. An empty value counts as not given.
"""


def render_example(entries: Iterable[Entry]) -> str:
    """Write the template: required variables to be filled in, all others commented out."""
    groups = groupby(entries, lambda entry: (entry.variable.group, entry.read_by))
    return "\n".join([_HEAD, *(_group(title, readers, members) for (title, readers), members in groups)])


def _group(title: str, readers: tuple[str, ...], members: Iterable[Entry]) -> str:
    head = [f"# {title}", f"# Read by {', '.join(readers)}.", "#" + "-" * (_WIDTH - 1)]
    return "\n".join([*head, *(_entry(entry) for entry in members), ""])


def _entry(entry: Entry) -> str:
    variable = entry.variable
    mark = "" if variable.required else "# "
    comments = (
        textwrap.fill(note, _WIDTH, initial_indent="# ", subsequent_indent="# ") for note in _notes(entry)
    )
    return "\n".join(["", *comments, f"{mark}{variable.name}={variable.default or ''}"])


def _notes(entry: Entry) -> Iterator[str]:
    variable = entry.variable
    yield variable.description
    needed = f"Needed when {variable.needed_when}. " if variable.needed_when else ""
    others = f" Also understood as {' or '.join(variable.also_named)}." if variable.also_named else ""
    yield f"{needed}Accepts {variable.accepts}.{others}"
    for reader, default in entry.other_defaults:
        yield f"In {reader} the default is {default}."
